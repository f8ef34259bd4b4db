// What `make run` starts, with which addresses and settings: the one place that knows the
// children's flags. Pure: the environment comes in, a description goes out.

import path from 'node:path';

/** Reads a port from the environment; a mistake there is told, not guessed around. */
function port(env, name, fallback) {
  const text = env[name] || String(fallback);
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    throw new Error(`${name}="${text}" is not a port: give a number from 1 to 65535`);
  }
  return value;
}

function market(env) {
  const text = env.MARKET || 'simulated';
  if (text !== 'simulated' && text !== 'live') {
    throw new Error(`MARKET="${text}" is unknown: leave it out for the simulated market, or MARKET=live`);
  }
  return text;
}

/** How many origins: one by itself, or several that share a Redis. */
function originCount(env) {
  const text = env.ORIGINS || '1';
  if (!/^[123]$/.test(text)) throw new Error(`ORIGINS="${text}" will not do: give 1, 2 or 3`);
  return Number(text);
}

/** Every port that is listened on, with the variable that moves it. */
function listening(ports, count) {
  const each = Object.entries(ports).flatMap(([name, port]) => {
    const width = name === 'ORIGIN_PORT' || name === 'METRICS_PORT' ? count : 1;
    return Array.from({ length: width }, (_, i) => ({ name, port: port + i }));
  });
  for (const [i, { name, port }] of each.entries()) {
    const other = each.slice(0, i).find((earlier) => earlier.port === port);
    if (other) throw new Error(`port ${port} is wanted twice, by ${other.name} and ${name}: choose others`);
  }
  return each;
}

/** The whole run: ports, folders, addresses, and the children in starting order. */
export function plan(env, root) {
  const live = market(env) === 'live';
  const count = originCount(env);
  const isShared = count > 1;
  const ports = {
    EDGE_PORT: port(env, 'EDGE_PORT', 8787),
    ORIGIN_PORT: port(env, 'ORIGIN_PORT', 8080),
    METRICS_PORT: port(env, 'METRICS_PORT', 9090),
    ...(live ? {} : { SIM_PORT: port(env, 'SIM_PORT', 9900) }),
    // Not the usual 6379: that one may be somebody's.
    ...(isShared ? { REDIS_PORT: port(env, 'REDIS_PORT', 6390) } : {}),
  };
  const listens = listening(ports, count);
  const at = (name, nth = 0) => `http://127.0.0.1:${ports[name] + nth}`;
  const nths = Array.from({ length: count }, (_, nth) => nth);
  const urls = {
    prices: `${at('EDGE_PORT')}/api/v1/prices`,
    edge: at('EDGE_PORT'),
    origins: nths.map((nth) => at('ORIGIN_PORT', nth)),
    control: live ? undefined : `${at('SIM_PORT')}/control`,
  };

  // One folder a run, named by its port: two runs stand side by side.
  const folder = path.join(root, '.run', String(ports.EDGE_PORT));
  const target = path.resolve(root, env.CARGO_TARGET_DIR || 'target');
  const release = (binary) => path.join(target, 'release', binary);
  const npmBin = path.join(root, 'node_modules');

  const sim = {
    name: 'market-sim',
    // Through a shell, so that SIM_ARGS is split as its writer expects ('--replay "my file.csv"').
    command: ['sh', '-c', `exec "$0" "$@" ${env.SIM_ARGS || ''}`, release('market-sim'), '--listen', `127.0.0.1:${ports.SIM_PORT}`],
    env: {},
    ready: `${urls.control}/faults`,
    shown: true,
  };
  const redis = {
    name: 'redis',
    // Nothing is kept: what it forgets, the origins know.
    command: ['redis-server', '--bind', '127.0.0.1', '--port', String(ports.REDIS_PORT), '--dir', folder, '--save', '', '--appendonly', 'no'],
    env: {},
    ready: `tcp://127.0.0.1:${ports.REDIS_PORT}`,
    shown: false,
  };
  const origins = nths.map((nth) => ({
    name: isShared ? `origin-${nth + 1}` : 'origin',
    command: [release('pricecast-origin')],
    // Not the project's folder: a pricecast.toml there is for another purpose.
    cwd: folder,
    env: {
      PRICECAST_HTTP__LISTEN: `127.0.0.1:${ports.ORIGIN_PORT + nth}`,
      PRICECAST_METRICS__LISTEN: `127.0.0.1:${ports.METRICS_PORT + nth}`,
      // Prices of a simulated market must not survive into another run, nor into a live one.
      PRICECAST_STATE_DIR: path.join(folder, live ? 'live-state' : 'state', ...(nth > 0 ? [String(nth + 1)] : [])),
      ...(live
        ? {}
        : {
            PRICECAST_KRAKEN__URL: `ws://127.0.0.1:${ports.SIM_PORT}/v2`,
            PRICECAST_COINBASE__URL: at('SIM_PORT'),
          }),
      ...(isShared ? { PRICECAST_STORE: 'redis', PRICECAST_REDIS__URL: `redis://127.0.0.1:${ports.REDIS_PORT}` } : {}),
    },
    ready: `${urls.origins[nth]}/ready`,
    shown: true,
  }));
  const edge = {
    name: 'edge',
    command: [
      path.join(npmBin, '.bin', 'node'),
      path.join(npmBin, 'wrangler', 'bin', 'wrangler.js'),
      'dev',
      ...['--ip', '127.0.0.1', '--port', String(ports.EDGE_PORT)],
      // 0 takes a free one: two runs would meet on the default.
      ...['--inspector-port', '0'],
      ...['--persist-to', path.join(folder, 'edge-state')],
      ...['--var', `ORIGIN_URLS:${urls.origins.join(',')}`],
    ],
    env: {
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_LOG_PATH: path.join(folder, 'wrangler-debug'),
      WRANGLER_REGISTRY_PATH: path.join(folder, 'wrangler-registry'),
      // Else it asks Cloudflare for a sample of `Request.cf` at each start.
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    },
    ready: `${urls.edge}/health`,
    // It logs each request: in its file only.
    shown: false,
  };

  return {
    live,
    listens,
    needs: isShared ? ['redis-server'] : [],
    urls,
    folder,
    keep: ['live-state'],
    builds: [
      {
        name: `build ${live ? 'origin' : 'origin and market-sim'}`,
        command: ['cargo', 'build', '--release', '-p', 'pricecast-origin', ...(live ? [] : ['-p', 'market-sim'])],
      },
      { name: 'build the Worker', command: [path.join(root, 'scripts', 'build-edge')] },
    ],
    children: [...(live ? [] : [sim]), ...(isShared ? [redis] : []), ...origins, edge],
  };
}
