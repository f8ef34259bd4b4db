// The built Worker in workerd, by Miniflare: one data centre, one isolate or several.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Miniflare } from 'miniflare';
import { root } from '../../scripts/places.mjs';
import { cleanup } from './cleanup.mjs';
import { json, request } from './http.mjs';
import { edgeFile, freshFolder } from './paths.mjs';

export const PRICES = '/api/v1/prices';

/**
 * Starts one. `origins`: base URLs, or whole programs with a `url`. `vars`: further variables.
 * `folder` and `port`: those of an earlier one, to be its restart. `main`: a module to run instead
 * of `entry.mjs`, which it can import. `code`: the folder `edge` of another version, built.
 */
export async function startEdge(t, { folder, port = 0, ...worker } = {}) {
  const miniflare = run(t, { folder, port, workers: [{ config: config('pricecast', worker) }] });
  const url = await miniflare.ready;
  return new Edge(t, url.origin, miniflare);
}

/**
 * Starts several isolates of one data centre: they share its cache, and each has its own address.
 * `worker` says what each is, or is a function that says it by the isolate's number. `folder`: that
 * of an earlier data centre, to be its restart.
 */
export async function startIsolates(t, count, worker, { folder } = {}) {
  const names = Array.from({ length: count }, (_, i) => `isolate-${i}`);
  const dev = { unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }] };
  const of = typeof worker === 'function' ? worker : () => worker;
  const miniflare = run(t, { folder, workers: names.map((name, i) => ({ config: config(name, of(i)), dev })) });
  await miniflare.ready;
  const urls = await Promise.all(names.map((name) => miniflare.unsafeGetDirectURL(name)));
  // All are asked for the same host, as phones do.
  return urls.map((url) => new Edge(t, url.origin, miniflare, { host: 'prices.example' }));
}

function run(t, { folder = freshFolder(t, 'edge'), port = 0, workers }) {
  const logs = [];
  const miniflare = new Miniflare({
    host: '127.0.0.1',
    port,
    cf: false,
    logRequests: false,
    handleStructuredLogs: ({ message }) => logs.push(message),
    resourcePersistencePath: folder,
    workers,
  });
  let stopped;
  const stop = () => (stopped ??= miniflare.dispose());
  cleanup(t, stop);
  return Object.assign(miniflare, { folder, logs, stop });
}

class Edge {
  #agent = new http.Agent({ keepAlive: true });
  #miniflare;
  #headers;

  constructor(t, url, miniflare, headers = {}) {
    this.url = url;
    this.#miniflare = miniflare;
    this.#headers = headers;
    cleanup(t, () => this.#agent.destroy());
  }

  get folder() {
    return this.#miniflare.folder;
  }

  /** What its clients call it. */
  get host() {
    return this.#headers.host ?? new URL(this.url).host;
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** What the Worker has logged. */
  get logs() {
    return this.#miniflare.logs;
  }

  /** One request; `path` as it is written on the wire. */
  ask(path = PRICES, { headers, ...options } = {}) {
    return request(`${this.url}${path}`, { agent: this.#agent, headers: { ...this.#headers, ...headers }, ...options });
  }

  async health() {
    return json(await this.ask('/health'));
  }

  stop() {
    return this.#miniflare.stop();
  }
}

function config(name, { origins = [], vars = {}, main, build = 'build', code }) {
  const urls = origins.map((origin) => origin.url ?? origin).join(',');
  const env = { ...(urls && { ORIGIN_URLS: urls }), ...vars };
  return {
    name,
    compatibilityDate: compatibilityDate(),
    manifest: manifest(main, build, code),
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, { type: 'text', value }])),
  };
}

/** What wrangler would upload, under names relative to edge/. */
function manifest(main, build, code) {
  const source = (name) => readFileSync(code ? path.join(code, name) : edgeFile(name));
  const modules = {
    'entry.mjs': { type: 'esm', contents: source('entry.mjs').toString() },
    'recover.mjs': { type: 'esm', contents: source('recover.mjs').toString() },
    'build/index.js': { type: 'esm', contents: source(`${build}/index.js`).toString() },
    'build/index_bg.wasm': { type: 'wasm', contents: new Uint8Array(source(`${build}/index_bg.wasm`)) },
    ...(main && { 'main.mjs': { type: 'esm', contents: main } }),
  };
  return { mainModule: main ? 'main.mjs' : 'entry.mjs', modulesRoot: '/', modules };
}

function compatibilityDate() {
  return readFileSync(path.join(root, 'wrangler.toml'), 'utf8').match(/^compatibility_date = "([\d-]+)"/m)[1];
}
