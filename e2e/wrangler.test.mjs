// The project as wrangler sees it: wrangler.toml, its build command, and its own development server.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { unstable_readConfig } from 'wrangler';
import { root } from '../scripts/places.mjs';
import { assertContract, assertProblem } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json, request } from './harness/http.mjs';
import { freshFolder } from './harness/paths.mjs';
import { Program } from './harness/process.mjs';
import { startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

/** It builds the Worker first, should that have changed since. */
const START_LIMIT_MS = 180_000;
/** Of wasm and JavaScript together. More takes longer to start in each of hundreds of data centres. */
const UPLOAD_GZIP_BYTES_MAX = 120_000;
const WRANGLER_TOML = path.join(root, 'wrangler.toml');
/** What no flag asks for: the top of wrangler.toml. */
const LOCAL = '';
const DEPLOYED = ['staging', 'production'];

/** Those the Worker reads; the secret is none of wrangler.toml's. */
function variables() {
  const source = readFileSync(path.join(root, 'edge/src/config.rs'), 'utf8');
  const names = [...source.matchAll(/^const ([A-Z_]+): &str = "\1";$/gm)].map(([, name]) => name);
  assert.ok(names.includes('ORIGIN_URLS') && names.includes('ORIGIN_SECRET'), names.join(', '));
  return names.filter((name) => name !== 'ORIGIN_SECRET');
}

/** wrangler with these arguments, and nothing of this machine's own settings. */
function wrangler(t, args) {
  const folder = freshFolder(t, 'wrangler');
  return new Program(t, {
    name: 'wrangler',
    startLimitMs: START_LIMIT_MS,
    command: [process.execPath, path.join(root, 'node_modules/wrangler/bin/wrangler.js'), ...args],
    env: {
      WRANGLER_SEND_METRICS: 'false',
      // It asks a registry for newer versions.
      WRANGLER_HIDE_BANNER: 'true',
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

for (const environment of [LOCAL, ...DEPLOYED]) {
  test(`environment "${environment || 'top level'}" sets every variable, to something the Worker takes`, async (t) => {
    const { vars } = unstable_readConfig({ config: WRANGLER_TOML, env: environment }, { hideWarnings: true });
    assert.deepEqual(Object.keys(vars).sort(), [...variables()].sort());
    const edge = await startEdge(t, { vars });
    const health = await edge.ask('/health');
    assert.notEqual(health.status, 500, health.body);
    assert.deepEqual(json(health).unknownVariables, []);
  });

  test(`wrangler bundles the Worker for environment "${environment || 'top level'}" within ${UPLOAD_GZIP_BYTES_MAX} bytes`, async (t) => {
    const bundle = freshFolder(t, 'bundle');
    const program = wrangler(t, ['deploy', '--dry-run', `--env=${environment}`, '--outdir', bundle]);
    await program.start(/--dry-run: exiting now/);
    await until('wrangler is done', 10_000, () => program.exit);
    assert.equal(program.exit, 'exit code 0', program.log());
    assert.doesNotMatch(program.log(), /WARNING|ERROR/);
    const files = readdirSync(bundle).filter((file) => /\.(js|wasm)$/.test(file)).sort();
    assert.deepEqual(files.map((file) => path.extname(file)).sort(), ['.js', '.wasm'], files.join(', '));
    const bytes = gzipSync(Buffer.concat(files.map((file) => readFileSync(path.join(bundle, file)))), { level: 9 }).length;
    assert.ok(bytes <= UPLOAD_GZIP_BYTES_MAX, `${bytes} bytes are uploaded, gzipped`);
  });
}

test('what is deployed leads to no machine of its own, and each environment keeps its copies apart', () => {
  const [local, ...deployed] = [LOCAL, ...DEPLOYED].map((env) => unstable_readConfig({ config: WRANGLER_TOML, env }, { hideWarnings: true }));
  assert.deepEqual(local.definedEnvironments, DEPLOYED);
  assert.equal(local.workers_dev, false, 'deployed by mistake, the local one is not to be reached');
  for (const { name, vars } of deployed) {
    for (const url of vars.ORIGIN_URLS.split(',')) assert.match(url.trim(), /^https:\/\/(?!localhost|127\.|\[::1\])/, name);
  }
  const names = [local, ...deployed].map((config) => config.vars.ENVIRONMENT);
  assert.equal(new Set(names).size, names.length, names.join(', '));
});

test('the example of .dev.vars sets nothing, for tools that deploy from a repository ship what it sets', () => {
  const lines = readFileSync(path.join(root, '.dev.vars.example'), 'utf8').split('\n');
  assert.deepEqual(lines.filter((line) => line.trim() && !line.startsWith('#')), []);
  assert.ok(lines.some((line) => /^# ORIGIN_SECRET="/.test(line)), 'but it shows how');
});
