// What is measured, and what it is measured against, each as a process of its own.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { edgeFile, freshFolder } from '../e2e/harness/paths.mjs';
import { Program } from '../e2e/harness/process.mjs';
import { root, target } from '../scripts/places.mjs';
import { pinned } from './machine.mjs';

const peer = (name) => readFileSync(path.join(root, 'bench/peers', name), 'utf8');
const workerd = path.join(root, 'node_modules/.bin/workerd');

/** Debian keeps servers where a user's PATH does not look. */
const SBIN = { PATH: `${process.env.PATH}:/usr/sbin` };

/** Headers of an answer, but for those that each server makes for itself. */
const ITS_OWN = ['content-length', 'date', 'connection', 'keep-alive', 'transfer-encoding', 'server'];
const givenHeaders = ({ headers }) => Object.fromEntries(Object.entries(headers).filter(([name]) => !ITS_OWN.includes(name)));

const isInstalled = (name) => spawnSync('sh', ['-c', `command -v ${name}`], { env: { ...process.env, ...SBIN } }).status === 0;

async function start(t, { name, command, ready, port, ...rest }) {
  const program = new Program(t, { name, command: pinned(command), ...rest });
  const [, listensOn] = await program.start(ready);
  return { name, url: `http://127.0.0.1:${port ?? listensOn}`, get pid() { return program.pid; }, stop: () => program.stop() };
}

/** Our Worker as wrangler would upload it. */
export const pricecastModules = () => [
  { name: 'entry.mjs', esModule: readFileSync(edgeFile('entry.mjs')) },
  { name: 'recover.mjs', esModule: readFileSync(edgeFile('recover.mjs')) },
  { name: 'build/index.js', esModule: readFileSync(edgeFile('build/index.js')) },
  { name: 'build/index_bg.wasm', wasm: readFileSync(edgeFile('build/index_bg.wasm')) },
];
/** A Worker that gives `answer`, always. */
export const constantWorker = (answer) => ({
  name: 'constant',
  modules: [{ name: 'constant.mjs', esModule: peer('constant.mjs') }],
  vars: { BODY: answer.body, HEADERS: { kind: 'json', json: JSON.stringify(givenHeaders(answer)) } },
});
export const swrModules = () => [{ name: 'swr.mjs', esModule: peer('swr.mjs') }];

/** Starts a Worker in workerd itself: wrangler's and Miniflare's proxies would be measured with it. */
export function startWorker(t, { name, modules, vars, cache }) {
  const folder = freshFolder(t, name);
  const embedded = modules.map(({ name: module, ...content }) => {
    const [[kind, data]] = Object.entries(content);
    mkdirSync(path.dirname(path.join(folder, module)), { recursive: true });
    writeFileSync(path.join(folder, module), data);
    return `(name = ${JSON.stringify(module)}, ${kind} = embed ${JSON.stringify(module)})`;
  });
  const bindings = Object.entries(vars).map(([key, value]) => `(name = ${JSON.stringify(key)}, ${value.kind ?? 'text'} = ${JSON.stringify(value.json ?? value)})`);
  const [, date] = readFileSync(path.join(root, 'wrangler.toml'), 'utf8').match(/^compatibility_date = "([\d-]+)"/m);
  writeFileSync(path.join(folder, 'config.capnp'), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    ${cache ? `(name = "cache", external = (address = ${JSON.stringify(new URL(cache.url).host)}, http = ())),` : ''}
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [${embedded.join(', ')}],
  compatibilityDate = "${date}",
  bindings = [${bindings.join(', ')}],
  ${cache ? 'cacheApiOutbound = "cache",' : ''}
);
`);
  const command = [workerd, 'serve', path.join(folder, 'config.capnp'), '--control-fd=1'];
  return start(t, { name, command, ready: /"event":"listen","socket":"http","port":(\d+)/ });
}

/** axum with a constant. */
export async function startBareAxum(t, { headers, body }) {
  const file = path.join(freshFolder(t, 'axum'), 'answer.json');
  writeFileSync(file, JSON.stringify({ headers: givenHeaders({ headers }), body }));
  const command = [path.join(target, 'release/examples/bare_axum'), file];
  return start(t, { name: 'axum', command, ready: /listens on \S+:(\d+)/ });
}

/** nginx before the origin, and nginx with a constant; undefined where it is not installed. */
export async function startNginx(t, origin, { headers, body }) {
  if (!isInstalled('nginx')) return undefined;
  const [folder, cachePort, constantPort] = [freshFolder(t, 'nginx'), await freePort(), await freePort()];
  const added = Object.entries(givenHeaders({ headers })).filter(([name]) => name !== 'content-type');
  const config = peer('nginx.conf')
    .replaceAll('FOLDER', folder)
    .replace('USER', process.getuid() === 0 ? 'user root;' : '')
    .replace('ORIGIN', new URL(origin.url).host)
    .replace('CACHE_LISTEN', `127.0.0.1:${cachePort}`)
    .replace('CONSTANT_LISTEN', `127.0.0.1:${constantPort}`)
    .replace('HEADERS', `default_type ${headers['content-type'].split(';')[0]}; ${added.map(([name, value]) => `add_header ${name} ${JSON.stringify(value)};`).join(' ')}`)
    .replace('BODY', body);
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(file, config);
  const nginx = await start(t, { name: 'nginx', command: ['nginx', '-p', folder, '-e', 'stderr', '-c', file], env: SBIN, ready: /start worker process /, port: cachePort });
  return { ...nginx, pid: nginx.pid, cacheUrl: nginx.url, constantUrl: `http://127.0.0.1:${constantPort}` };
}

/** Varnish before the origin; undefined where it is not installed. */
export async function startVarnish(t, origin) {
  if (!isInstalled('varnishd')) return undefined;
  const [folder, port] = [freshFolder(t, 'varnish'), await freePort()];
  const file = path.join(folder, 'default.vcl');
  writeFileSync(file, peer('default.vcl').replace('ORIGIN_PORT', new URL(origin.url).port));
  const command = ['varnishd', '-F', '-a', `127.0.0.1:${port}`, '-n', path.join(folder, 'work'), '-f', file, '-s', 'malloc,16m', '-j', 'none'];
  return start(t, { name: 'varnish', command, env: SBIN, ready: /Child launched OK/, port });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
