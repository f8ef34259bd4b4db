// The edge when its origin fails, in every way an origin can.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertFresh, assertProblem } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json } from './harness/http.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:1';

function assertNoData(answer) {
  assertProblem(answer, 503, 'no_data_yet');
  assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
  assert.match(answer.headers['cache-status'], /^pricecast; fwd=miss/);
}

test('a cold edge without an origin says 503, when to come again, and that it is not to be kept', async (t) => {
  const edge = await startEdge(t, { origins: [NOWHERE] });
  const first = await edge.ask();
  assertNoData(first);
  const next = await edge.ask();
  assertNoData(next);
  assert.ok(next.receivedAt - next.sentAt < 500, 'who comes while the failure is known does not wait');
  assert.equal((await edge.health()).origin.lastFailure, 'unreachable');
});

test('a cold edge has prices within five seconds of its origin', async (t) => {
  const stub = await startStub(t);
  await stub.close();
  const edge = await startEdge(t, { origins: [stub] });
  for (let i = 0; i < 3; i++) assertNoData(await edge.ask());
  await stub.listen();
  await until('prices', 5000, async () => (await edge.ask()).status === 200);
});

const FAILURES = [
  ['refuses connections', null, 'unreachable'],
  ['resets connections', behaviour.reset(), 'unreachable'],
  ['hangs', behaviour.hang(), 'timed_out'],
  ['hangs in the middle of the body', behaviour.hangInBody(), 'timed_out'],
  ['cuts the body short', behaviour.truncate(), 'unreachable'],
  ['answers 500', behaviour.status(500), 'status_500'],
  ['answers 503', behaviour.status(503, { 'retry-after': '60' }), 'status_503'],
  ['answers 429', behaviour.status(429, { 'retry-after': '60' }), 'status_429'],
  ['answers 204', behaviour.status(204), 'status_204'],
  ['redirects elsewhere', behaviour.status(302, { location: 'http://127.0.0.1:1/' }), 'status_302'],
  ['answers a page', behaviour.html(), 'undecodable'],
  ['answers prices without its clock', behaviour.unstamped(), 'no_stamp'],
  ['confirms in the future', behaviour.prices({ ageMs: -1500 }), 'untrue'],
];

test('whatever way the origin fails', { concurrency: 3 }, async (t) => {
  const cases = FAILURES.map(([what, behave, code]) =>
    t.test(`an origin that ${what} costs nobody an answer, and the last prices are flagged in time`, async (t) => {
      const stub = await startStub(t);
      const edge = await startEdge(t, { origins: [stub] });
      const { prices, seq } = json(await edge.ask());
      const { confirmedAt } = prices[0];
      if (behave) stub.behave = behave;
      else await stub.close();
      await until('the last prices are flagged', 8000, async () => {
        const answer = await edge.ask();
        assert.equal(answer.status, 200);
        const body = json(answer);
        assert.equal(body.seq, seq);
        if (!body.stale) assertFresh(answer, confirmedAt, 'the last price');
        return body.stale;
      });
      const flagged = await edge.ask();
      assert.equal(json(flagged).mode, 'frozen');
      assert.equal(flagged.headers['cache-status'], 'pricecast; hit; ttl=-1; detail=last-known');
      // Not at the moment of the flag: /health is about now, the body about the end of a client's cache.
      const health = await until('/health says so', 2000, async () => {
        const health = await edge.health();
        return health.status === 'stale' && health;
      });
      assert.equal(health.origin.lastFailure, code);
      assert.ok(stub.fetches <= 6, `held off: ${stub.fetches} fetches in about five seconds`);

      stub.behave = behaviour.prices();
      await stub.listen();
      await until('fresh prices', 5000, async () => json(await edge.ask()).stale === false);
    }),
  );
  await Promise.all(cases);
});

test('an edge with two origins goes on with the second', async (t) => {
  const [dead, alive] = [await startStub(t), await startStub(t)];
  await dead.close();
  const edge = await startEdge(t, { origins: [dead, alive] });
  const cold = await edge.ask();
  assert.equal(cold.status, 200, 'even cold, within one request');
  assert.equal(json(cold).epoch, alive.epoch);
});

test('an origin whose prices are all old is left for one that has fresh ones', async (t) => {
  const [old, fresh] = [await startStub(t, behaviour.prices({ ageMs: 60_000 })), await startStub(t)];
  const edge = await startEdge(t, { origins: [old, fresh] });
  const body = await until('fresh prices', 5000, async () => {
    const body = json(await edge.ask());
    return !body.stale && body;
  });
  assert.equal(body.epoch, fresh.epoch);
});

test('an older publication than the one shown is not taken from a second origin', async (t) => {
  const first = await startStub(t);
  const second = await startStub(t);
  second.epoch = first.epoch - 60_000;
  const edge = await startEdge(t, { origins: [first, second] });
  const { epoch, seq } = json(await edge.ask());
  first.behave = behaviour.status(500);
  await until('the second was asked', 6000, async () => {
    const answer = await edge.ask();
    const body = json(answer);
    assert.equal(body.epoch, epoch);
    assert.ok(body.seq >= seq);
    return second.fetches > 0;
  });
  assert.equal(json(await edge.ask(PRICES)).epoch, epoch);
});
