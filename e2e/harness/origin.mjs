// pricecast-origin as a process.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { json, request } from './http.mjs';
import { binary, freshFolder } from './paths.mjs';
import { Program } from './process.mjs';
import { until } from './until.mjs';

const READY_LIMIT_MS = 20_000;

/** Starts one on a market and waits until it has prices to give. `program`: another version's. */
export async function startOrigin(t, market, env, program) {
  const origin = await startColdOrigin(t, market, env, program);
  await origin.untilReady();
  return origin;
}

/** Starts one that may have no prices yet. */
export async function startColdOrigin(t, market, env = {}, program = binary('pricecast-origin')) {
  const origin = new Origin(t, market, env, program);
  await origin.start();
  return origin;
}

class Origin {
  #program;
  #port = 0;

  constructor(t, market, env, program) {
    const folder = freshFolder(t, 'state');
    this.#program = new Program(t, {
      name: 'origin',
      command: [program],
      cwd: folder,
      env: {
        PRICECAST_METRICS__LISTEN: '127.0.0.1:0',
        PRICECAST_STATE_DIR: path.join(folder, 'state'),
        ...market.originEnv,
        ...env,
      },
    });
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts it; the second time at the same address, with `env` changed. */
  async start(env = {}) {
    const line = /http=127\.0\.0\.1:(\d+) metrics=127\.0\.0\.1:(\d+)/;
    const listen = { PRICECAST_HTTP__LISTEN: `127.0.0.1:${this.#port}` };
    const [, http, metrics] = await this.#program.start(line, { ...listen, ...env });
    this.#port = Number(http);
    this.metricsUrl = `http://127.0.0.1:${metrics}/metrics`;
  }

  /** Waits for /ready; returns when it was first seen to be. */
  async untilReady() {
    await until('the origin is ready', READY_LIMIT_MS, async () => (await request(`${this.url}/ready`)).status === 200);
    return Date.now();
  }

  kill() {
    return this.#program.kill();
  }

  stop() {
    return this.#program.stop();
  }

  signal(name) {
    this.#program.signal(name);
  }

  log() {
    return this.#program.log();
  }

  /** One request for its prices, past every cache. */
  ask() {
    return request(`${this.url}/api/v1/prices`);
  }

  /** What it says of itself. */
  async ready() {
    return json(await request(`${this.url}/ready`));
  }

  /** The sum of one of its counters over all sets of labels that contain `labels`. */
  async counted(name, labels = '') {
    const { body } = await request(this.metricsUrl);
    const lines = body.split('\n').filter((line) => line.startsWith(`pricecast_${name}_total`) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** How many requests it has answered whose metric has this label. */
  requests(label) {
    return this.counted('http_requests', label);
  }

  /** Memory it holds, and files and sockets it has open. */
  usage() {
    const process = `/proc/${this.#program.pid}`;
    const [, residentKb] = readFileSync(`${process}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
    return { residentKb: Number(residentKb), files: readdirSync(`${process}/fd`).length };
  }

  /** The number that `pattern` finds in its metrics; 0 if it is not there. */
  async metric(pattern) {
    const { body } = await request(this.metricsUrl);
    return Number(body.match(pattern)?.[1] ?? 0);
  }

  /** How many requests for prices it has answered, by its own count. */
  pricesServed() {
    return this.requests('resource="prices"');
  }
}
