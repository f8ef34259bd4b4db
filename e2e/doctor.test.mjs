// `pricecast doctor`: green on what is well, and the right sentence for each set-up that is not.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { cleanup } from './harness/cleanup.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { binary, freshFolder } from './harness/paths.mjs';
import { until } from './harness/until.mjs';

const SECRET = 'a-secret-that-nobody-guesses';
const OTHER = 'another-secret-nobody-knows';

/** Runs it beside `market`; `env` over what an origin there is told. */
async function doctor(t, market, args = [], env = {}) {
  const folder = freshFolder(t, 'doctor');
  const child = spawn(binary('pricecast'), ['doctor', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, PRICECAST_STATE_DIR: path.join(folder, 'state'), ...market.originEnv, ...env },
  });
  const told = { stdout: '', stderr: '' };
  for (const name of Object.keys(told)) child[name].on('data', (bytes) => (told[name] += bytes));
  const [status] = await once(child, 'close');
  for (const text of Object.values(told)) {
    for (const secret of [SECRET, OTHER]) assert.ok(!text.includes(secret), 'a secret is printed');
  }
  return { status, ...told, failures: told.stdout.split('\n').filter((line) => line.startsWith('FAIL')) };
}

/** Passes everything on to `url`, without this header of the answers. */
async function startStripper(t, url, header) {
  const proxy = http.createServer((request, response) => {
    const { host, ...headers } = request.headers;
    http.get(`${url}${request.url}`, { headers }, (answer) => {
      delete answer.headers[header];
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
  });
  proxy.listen(0, '127.0.0.1');
  cleanup(t, () => proxy.close());
  await once(proxy, 'listening');
  return `http://127.0.0.1:${proxy.address().port}`;
}

const startGuarded = (t, market, secret = SECRET) =>
  startOrigin(t, market, secret && { PRICECAST_ACCESS__SECRETS: secret });

test('what runs as it should is all green, and its bundle holds no secret', async (t) => {
  const market = await startMarket(t);
  const origin = await startGuarded(t, market);
  const edge = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: SECRET } });
  await until('prices at the edge are live', 20_000, async () => json(await edge.ask()).mode === 'live');
  const folder = freshFolder(t, 'bundle');
  const bundle = path.join(folder, 'bundle.tar.gz');
  const { status, stdout, stderr } = await doctor(
    t,
    market,
    ['--origin', origin.url, '--edge', edge.url, '--bundle', bundle],
    { PRICECAST_ACCESS__SECRETS: SECRET, ORIGIN_SECRET: SECRET, PRICECAST_STATE_DIR: origin.stateDir },
  );
  assert.equal(status, 0, stdout + stderr);
  for (const line of [
    /^ok +config +read from no file and the environment: BTC, ETH, SOL, XRP, DOGE$/m,
    /^ok +ORIGIN_SECRET +is one that the origin knows$/m,
    /^ok +state_dir /m,
    /^ok +kraken +ws:\S+ tells 5 of 5 symbols$/m,
    /^ok +coinbase +http:\S+ tells 5 of 5 symbols$/m,
    /^ok +origin ready /m,
    /^ok +origin secret +who shows no secret is refused/m,
    /^ok +origin headers +as promised$/m,
    /^ok +edge +\S+ the Worker answers$/m,
    /^ok +edge prices +5 prices, the oldest \d+ ms old on a screen; mode live/m,
    /^ok +edge headers +as promised$/m,
    /^ok +edge 304 /m,
    /^ok +edge query +a query is refused/m,
    /^ok +edge hides /m,
    /^ok +edge polls +4 in a row/m,
    /^ok +edge and origin +the same feed/m,
    /^all is well$/m,
  ]) {
    assert.match(stdout, line);
  }
  const unpacked = spawnSync('tar', ['xzf', bundle, '-C', folder], { encoding: 'utf8' });
  assert.equal(unpacked.status, 0, unpacked.stderr);
  const inside = path.join(folder, 'pricecast-bundle');
  assert.match(readFileSync(path.join(inside, 'pricecast.toml'), 'utf8'), /secrets = \["\*\*\*"\]/);
  assert.match(readFileSync(path.join(inside, 'doctor.txt'), 'utf8'), /^ok +config /);
  assert.equal(spawnSync('grep', ['-r', SECRET, inside]).status, 1, 'the secret is in the bundle');
  const replay = spawnSync(binary('pricecast'), ['replay', path.join(inside, 'record')], { encoding: 'utf8' });
  assert.equal(replay.status, 0, replay.stdout + replay.stderr);
});

test('each set-up that is wrong is told with what to do, and nothing else is blamed', async (t) => {
  const market = await startMarket(t);
  const wall = path.join(freshFolder(t, 'wall'), 'file');
  writeFileSync(wall, '');
  const cases = [
    [{ PRICECAST_COINBASE__INTERVAL: '5s', PRICECAST_HTTP__LISTN: 'x' }, /config +.*http\.listn.*is no key.*coinbase\.interval.*between 1s and 3s|config +.*coinbase\.interval.*between 1s and 3s.*http\.listn.*is no key/],
    [{ PRICECAST_ACCESS__SECRETS: SECRET, ORIGIN_SECRET: OTHER }, /ORIGIN_SECRET +is none of access\.secrets.*wrangler secret put/],
    [{ ORIGIN_SECRET: 'short' }, /ORIGIN_SECRET +has 5 characters, at least 16 are needed/],
    [{ PRICECAST_STATE_DIR: `${wall}/below` }, /state_dir +\S+ cannot be written by this user \(Not a directory.*would not survive a restart/],
    [{ PRICECAST_KRAKEN__URL: 'ws://127.0.0.1:1/v2' }, /kraken +ws:\S+ cannot be used: Connection refused/],
    [{ PRICECAST_COINBASE__URL: 'http://127.0.0.1:1' }, /coinbase +http:\S+ cannot be used: the answer is connect/],
  ];
  for (const [env, sentence] of cases) {
    const { status, stdout, failures } = await doctor(t, market, [], env);
    assert.equal(status, 1, stdout);
    assert.equal(failures.length, 1, stdout);
    assert.match(failures[0], sentence);
  }
  const password = await doctor(t, market, ['--edge', 'https://me:hidden@prices.example']);
  assert.equal(password.status, 64);
  assert.match(password.stderr, /leave name and password out/);
  const unlisted = await doctor(t, market, [], { PRICECAST_SYMBOLS: 'BTC,NOPE' });
  assert.equal(unlisted.status, 1);
  assert.equal(unlisted.failures.length, 2, unlisted.stdout);
  for (const failure of unlisted.failures) assert.match(failure, /(kraken|coinbase) +NOPE is not listed there/);
  const nothing = await doctor(t, market, ['--running-only']);
  assert.match(nothing.failures[0], /give --origin or --edge/);
});

test('what runs and is not well is told with where to look', async (t) => {
  const market = await startMarket(t);
  const origin = await startGuarded(t, market);
  const edgeOf = (vars) => startEdge(t, { origins: [origin], vars });
  const look = async (args, env = {}) => {
    const { status, stdout, failures } = await doctor(t, market, ['--running-only', ...args], env);
    assert.equal(status, 1, stdout);
    return failures.join('\n');
  };
  const known = { ORIGIN_SECRET: SECRET };

  assert.match(await look(['--origin', 'http://127.0.0.1:1']), /origin +http:\S+ cannot be reached: .*does it run there/);
  assert.match(await look(['--origin', origin.url], { ORIGIN_SECRET: OTHER }), /origin prices +refuses the secret \(403\)/);
  assert.match(await look(['--origin', origin.url]), /origin prices +wants a secret \(403\) and none is known here/);
  const open = await startGuarded(t, market, null);
  assert.match(await look(['--origin', open.url], known), /origin secret +anyone is answered, though a secret is set here/);

  const refused = await edgeOf({ ORIGIN_SECRET: OTHER });
  assert.match(await look(['--edge', refused.url]), /no_data_yet.*\n.*edge health +its last fetch from the origin failed \(\S+\): look at ORIGIN_URLS and ORIGIN_SECRET/);
  const unset = await startEdge(t, {});
  assert.match(await look(['--edge', unset.url]), /misconfigured.*ORIGIN_URLS/);
  assert.match(await look(['--edge', market.url]), /edge +\S+ answers \/api\/v1\/prices with 404.*no route leads this name to the Worker/);

  const edge = await edgeOf(known);
  await until('prices at the edge are live', 20_000, async () => json(await edge.ask()).mode === 'live');
  const stripped = await startStripper(t, edge.url, 'pricecast-now');
  assert.match(await look(['--edge', stripped]), /edge prices +Pricecast-Now is missing/);
  const untagged = await startStripper(t, edge.url, 'etag');
  assert.match(await look(['--edge', untagged]), /edge headers +etag is missing, not a strong one/);
  assert.match(await look(['--origin', open.url, '--edge', edge.url]), /edge and origin +different feeds: epoch \d+ at the origin, \d+ at the edge/);

  await market.fault({ target: 'both', fault: 'silence' });
  await until('the edge flags', 15_000, async () => json(await edge.ask(PRICES)).stale);
  const old = await look(['--origin', origin.url, '--edge', edge.url], known);
  assert.match(old, /edge polls +\d+ ms old on a screen in one of 4/);
  assert.match(old, /edge prices +flagged: BTC, ETH, SOL, XRP, DOGE; the oldest is \d+ ms old on a screen, mode frozen/);
});
