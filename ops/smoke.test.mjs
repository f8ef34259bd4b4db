// scripts/smoke on an edge of this machine, and on answers that break a promise.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { startEdge } from '../e2e/harness/edge.mjs';
import { startMarket } from '../e2e/harness/market.mjs';
import { startOrigin } from '../e2e/harness/origin.mjs';
import { root } from '../scripts/places.mjs';
import { broken, read } from '../scripts/smoke.mjs';

const run = promisify(execFile);
const smoke = (...args) => run(path.join(root, 'scripts/smoke'), args, { cwd: root });

test('an edge that keeps its promises passes, a simulated market by leave alone, and nobody there does not', async (t) => {
  const market = await startMarket(t);
  const edge = await startEdge(t, { origins: [await startOrigin(t, market)] });
  const { stdout } = await smoke(edge.url, '--any-market');
  assert.match(stdout, /^ok {3}5 answers, fresh and in order; 304; \/health$/m);
  assert.match(stdout, /cf-cache-status: – /);
  await assert.rejects(smoke(edge.url), ({ code, stdout }) => code === 1 && /^FAIL these are no real prices/m.test(stdout));
  await assert.rejects(smoke('http://127.0.0.1:1'), ({ code, stderr }) => code === 1 && /cannot be asked/.test(stderr));
  await assert.rejects(smoke('prices.example.com'), ({ code, stderr }) => code === 64 && /usage/.test(stderr));
});

const NOW = 1_706_900_000_000;

/** An answer as the edge gives it, `changes` made. */
function answer({ confirmedAt = NOW - 1_000, stale = false, seq = 1, headers = {}, status = 200 } = {}) {
  const all = { 'pricecast-now': String(NOW), 'cache-control': 'public, max-age=1', etag: '"1-1-0"', ...headers };
  const text = JSON.stringify({ prices: [{ symbol: 'BTC', confirmedAt, stale }], epoch: 7, seq, mode: 'live' });
  return { status, text, tookMs: 50, headers: new Headers(Object.entries(all).filter(([, value]) => value !== null)) };
}

const judged = (...answers) => broken(answers.map((answer) => ({ answer, reading: read(answer) })), { anyMarket: false });

test('each broken promise has its sentence', () => {
  assert.deepEqual(judged(answer(), answer({ seq: 2 })), []);
  assert.deepEqual(judged(answer({ headers: { 'cache-control': 'no-store' } })), []);
  assert.deepEqual(judged(answer({ confirmedAt: NOW - 4_900 })), []);
  for (const [answers, sentence] of [
    [[answer({ confirmedAt: NOW - 5_001 })], /shows a price older than 5 s as fresh/],
    [[answer({ confirmedAt: NOW - 4_000, headers: { age: '1' } })], /shows a price older than 5 s as fresh/],
    [[answer({ confirmedAt: NOW - 5_001, stale: true })], /the oldest price in answer 1 is 5\.1 s old/],
    [[answer({ seq: 2 }), answer({ seq: 1 })], /answer 2 is older than the one before/],
    [[answer({ headers: { 'cache-control': 'public, max-age=14400' } })], /a browser TTL of the zone/],
    [[answer({ headers: { etag: null } })], /no ETag/],
    [[answer({ headers: { 'pricecast-market': 'custom' } })], /no real prices/],
  ]) {
    const found = judged(...answers);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0], sentence);
  }
  assert.throws(() => read(answer({ status: 503 })), /answered 503/);
  assert.throws(() => read(answer({ headers: { 'pricecast-now': null } })), /no Pricecast-Now/);
});
