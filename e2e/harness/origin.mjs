// pricecast-origin as a process.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/places.mjs';
import { cleanup } from './cleanup.mjs';
import { json, request } from './http.mjs';
import { binary, freshFolder } from './paths.mjs';
import { Program } from './process.mjs';
import { until } from './until.mjs';
import { usageOf } from './usage.mjs';

/** A test of the origin's own sees to it that these are all. */
const METRICS = readFileSync(path.join(root, 'docs/metrics.md'), 'utf8');

const READY_LIMIT_MS = 20_000;
/** An origin of a few symbols needs some 15 MB and 20 files, whatever has happened to it … */
const RESIDENT_KB_MAX = 100_000;
const FILES_MAX = 60;
/** … once clients that were cut off are gone. */
const FILES_PATIENCE_MS = 15_000;

/**
 * Starts one on a market and waits until it has prices to give. `program`: another one, or a whole
 * command that ends by being one.
 */
export async function startOrigin(t, market, env, program) {
  const origin = await startColdOrigin(t, market, env, program);
  await origin.untilReady();
  return origin;
}

/** Starts one that may have no prices yet. */
export async function startColdOrigin(t, market, env = {}, program = binary('pricecast-origin')) {
  const origin = new Origin(t, market, env, [program].flat());
  await origin.start();
  return origin;
}

class Origin {
  #program;
  #port = 0;

  constructor(t, market, env, command) {
    const folder = freshFolder(t, 'state');
    this.stateDir = path.join(folder, 'state');
    this.#program = new Program(t, {
      name: 'origin',
      command,
      cwd: folder,
      env: {
        PRICECAST_METRICS__LISTEN: '127.0.0.1:0',
        PRICECAST_STATE_DIR: this.stateDir,
        ...market.originEnv,
        ...env,
      },
    });
    cleanup(t, () => this.#assertSound());
  }

  /** What every origin is after every test: without a panic but a drill's, and holding no more than it needs. */
  async #assertSound() {
    assert.doesNotMatch(this.log(), /panicked at (?!.*a drill: )/);
    await until('an origin has closed its files', FILES_PATIENCE_MS, () => !(usageOf(this)?.files >= FILES_MAX));
    const residentKb = usageOf(this)?.residentKb ?? 0;
    assert.ok(residentKb < RESIDENT_KB_MAX, `an origin holds ${residentKb} kB`);
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts it; the second time at the same address, with `env` changed. */
  async start(env = {}) {
    const line = /\bhttp(?:=|":")127\.0\.0\.1:(\d+).*\bmetrics(?:=|":")127\.0\.0\.1:(\d+)/; // text or JSON
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

  /** One request on a connection of its own. */
  ask(path = '/api/v1/prices') {
    return request(`${this.url}${path}`);
  }

  get pid() {
    return this.#program.pid;
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

  /** What it says of itself. */
  async ready() {
    return json(await request(`${this.url}/ready`));
  }

  /** The sum of one of its counters over all sets of labels that contain `labels`. */
  async counted(name, labels = '') {
    const { body } = await request(this.metricsUrl);
    // One that has counted nothing yet may be absent, so a misspelt name would be zero for ever.
    assert.ok(METRICS.includes(`pricecast_${name}_total`), `docs/metrics.md has no counter ${name}`);
    const lines = body.split('\n').filter((line) => line.startsWith(`pricecast_${name}_total`) && line.includes(labels));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  /** The value of a metric, its labels included in `name`; undefined if it is not there. */
  async metric(name) {
    const { body } = await request(this.metricsUrl);
    const line = body.split('\n').find((line) => line.startsWith(`${name} `));
    return line && Number(line.slice(name.length));
  }

  /** How many requests it has answered whose metric has this label. */
  requests(label) {
    return this.counted('http_requests', label);
  }

  /** How many requests for prices it has answered, by its own count. */
  pricesServed() {
    return this.requests('resource="prices"');
  }
}
