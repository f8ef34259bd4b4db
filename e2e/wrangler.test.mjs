// The project as wrangler sees it: wrangler.toml, its build command, and its own development server.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { root } from '../scripts/places.mjs';
import { assertContract, assertProblem } from './harness/check.mjs';
import { PRICES } from './harness/edge.mjs';
import { json, request } from './harness/http.mjs';
import { freshFolder } from './harness/paths.mjs';
import { Program } from './harness/process.mjs';
import { startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

/** It builds the Worker first, should that have changed since. */
const START_LIMIT_MS = 180_000;

/** wrangler with these arguments, and nothing of this machine's own settings. */
function wrangler(t, args) {
  const folder = freshFolder(t, 'wrangler');
  return new Program(t, {
    name: 'wrangler',
    startLimitMs: START_LIMIT_MS,
    command: [process.execPath, path.join(root, 'node_modules/wrangler/bin/wrangler.js'), ...args],
    env: {
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_LOG_PATH: path.join(folder, 'debug'),
      WRANGLER_REGISTRY_PATH: path.join(folder, 'registry'),
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      CI: 'true',
    },
  });
}

test('wrangler dev serves the Worker of wrangler.toml', async (t) => {
  const stub = await startStub(t);
  const state = freshFolder(t, 'state');
  const program = wrangler(t, [
    ...['dev', '--ip', '127.0.0.1', '--port', '0', '--inspector-port', '0'],
    ...['--persist-to', state, '--var', `ORIGIN_URLS:${stub.url}`],
  ]);
  const [, url] = await program.start(/Ready on (http:\/\/\S+)/);
  const cold = await request(`${url}${PRICES}`);
  assert.equal(cold.status, 200, cold.body);
  assertContract(json(cold));
  const hit = await request(`${url}/v1/prices`);
  assert.equal(hit.body, cold.body);
  assert.equal(hit.headers['cache-status'], 'pricecast; hit');
  assertProblem(await request(`${url}${PRICES}?symbol=BTC`), 400, 'query_not_allowed');
  assert.equal(stub.fetches, 1);
  assert.deepEqual(json(await request(`${url}/health`)).unknownVariables, [], 'wrangler.toml sets no variable that is not known');
});

test('wrangler bundles the Worker for a deployment', async (t) => {
  const bundle = freshFolder(t, 'bundle');
  const program = wrangler(t, ['deploy', '--dry-run', '--outdir', bundle]);
  await program.start(/--dry-run: exiting now/);
  const files = await until('the bundle', 10_000, () => {
    const files = readdirSync(bundle);
    return files.length > 1 && files;
  });
  assert.ok(files.includes('entry.js'), files.join(', '));
  assert.ok(files.some((file) => file.endsWith('.wasm')), files.join(', '));
});
