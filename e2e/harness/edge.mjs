// The built Worker in workerd, by Miniflare: one data centre, one isolate or several.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Miniflare } from 'miniflare';
import { json, request } from './http.mjs';
import { edgeFile, freshFolder, root } from './paths.mjs';

export const PRICES = '/api/v1/prices';

/**
 * Starts one. `origins`: base URLs, or whole programs with a `url`. `vars`: further variables.
 * `folder` and `port`: those of an earlier one, to be its restart. `main`: a module to run instead
 * of `entry.mjs`, which it can import.
 */
export async function startEdge(t, { origins = [], vars = {}, folder, port = 0, main, build = 'build' } = {}) {
  const urls = origins.map((origin) => origin.url ?? origin).join(',');
  const env = { ...(urls && { ORIGIN_URLS: urls }), ...vars };
  const kept = folder ?? freshFolder(t, 'edge');
  const edge = new Edge(kept, (log) => ({
    host: '127.0.0.1',
    port,
    cf: false,
    logRequests: false,
    handleStructuredLogs: ({ message }) => log.push(message),
    resourcePersistencePath: kept,
    workers: [
      {
        config: {
          name: 'pricecast',
          compatibilityDate: compatibilityDate(),
          manifest: manifest(main, build),
          env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, { type: 'text', value }])),
        },
      },
    ],
  }));
  t.after(() => edge.stop());
  edge.url = (await edge.miniflare.ready).origin;
  return edge;
}

class Edge {
  #agent = new http.Agent({ keepAlive: true });
  #isStopped = false;

  constructor(folder, options) {
    this.folder = folder;
    this.logs = [];
    this.miniflare = new Miniflare(options(this.logs));
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** One request; `path` as it is written on the wire. */
  ask(path = PRICES, options = {}) {
    return request(`${this.url}${path}`, { agent: this.#agent, ...options });
  }

  async health() {
    return json(await this.ask('/health'));
  }

  async stop() {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#agent.destroy();
    await this.miniflare.dispose();
  }
}

/** What wrangler would upload, under names relative to edge/. */
function manifest(main, build) {
  const source = (name) => readFileSync(edgeFile(name));
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
