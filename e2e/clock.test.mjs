// Clocks that disagree. The edge compares no stamp of the origin's with its own wall clock, so
// none of these may make an old price look fresh.

import assert from 'node:assert/strict';
import test from 'node:test';
import { CLIENT_CACHE_MS, assertFresh } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json } from './harness/http.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

/** The Worker on a clock that can be set by `GET /clock/<ms ahead>`. */
const SKEWED = `
import worker from './entry.mjs';
const now = Date.now;
let aheadMs = 0;
Date.now = () => now() + aheadMs;
export default {
  fetch(request, env, ctx) {
    const [, ms] = request.url.match(/[/]clock[/](-?[0-9]+)$/) ?? [];
    if (ms === undefined) return worker.fetch(request, env, ctx);
    aheadMs = Number(ms);
    return new Response('set');
  },
};`;

async function skewedEdge(t, stub, aheadMs) {
  const edge = await startEdge(t, { origins: [stub], main: SKEWED });
  edge.setClock = async (ms) => assert.equal((await edge.ask(`/clock/${ms}`)).status, 200);
  await edge.setClock(aheadMs);
  return edge;
}

/** Asks until the one price known is flagged; it may never be shown unflagged after five seconds of real time. */
async function flagged(edge, confirmedAt, heldMs = CLIENT_CACHE_MS) {
  const answer = await until('the flag', 8000, async () => {
    const answer = await edge.ask();
    assert.equal(answer.status, 200);
    const { stale } = json(answer);
    if (!stale) assertFresh(answer, confirmedAt, 'the price', heldMs);
    return stale && answer;
  });
  return answer.receivedAt - confirmedAt;
}

test('clocks that disagree', { concurrency: 4 }, async (t) => {
  const cases = [];
  const clocks = (name, run) => cases.push(t.test(name, run));

  for (const [whose, edgeAheadMs, originAheadMs] of [
    ["the edge's clock is 3 s ahead", 3000, 0],
    ["the edge's clock is 3 s behind", -3000, 0],
    ["the origin's clock is 3 s ahead", 0, 3000],
    ["the origin's clock is 3 s behind", 0, -3000],
    ['no clock is off', 0, 0],
  ]) {
    clocks(`when ${whose}, a price is flagged at four seconds for a client that may keep it one more`, async (t) => {
      const stub = await startStub(t, behaviour.prices({ aheadMs: originAheadMs }));
      const edge = await skewedEdge(t, stub, edgeAheadMs);
      const cold = json(await edge.ask());
      const confirmedAt = cold.prices[0].confirmedAt - originAheadMs;
      stub.behave = behaviour.hang();
      const ageMs = await flagged(edge, confirmedAt);
      assert.ok(ageMs >= 3700, `flagged at ${ageMs} ms: that is too early`);
      const health = await edge.health();
      assert.equal(health.copy.clockSkewed, edgeAheadMs !== originAheadMs);
    });
  }

  clocks('where no client keeps answers, a price is flagged at five seconds', async (t) => {
    const stub = await startStub(t);
    const edge = await startEdge(t, { origins: [stub], vars: { CLIENT_MAX_AGE_S: '0' } });
    const { confirmedAt } = json(await edge.ask()).prices[0];
    stub.behave = behaviour.hang();
    const ageMs = await flagged(edge, confirmedAt, 0);
    assert.ok(ageMs >= 4700, `flagged at ${ageMs} ms: that is too early`);
  });

  clocks("when the edge's clock jumps ahead, its copy is taken for older", async (t) => {
    const stub = await startStub(t);
    const edge = await skewedEdge(t, stub, 0);
    const { seq } = json(await edge.ask());
    stub.behave = behaviour.hang();
    await edge.setClock(5000);
    const answer = await edge.ask();
    assert.equal(json(answer).seq, seq);
    assert.equal(json(answer).stale, true);
  });

  clocks("when the edge's clock jumps back, its copy is not taken for younger", async (t) => {
    const stub = await startStub(t);
    const edge = await skewedEdge(t, stub, 0);
    const { prices } = json(await edge.ask());
    stub.behave = behaviour.hang();
    await edge.setClock(-3000);
    await flagged(edge, prices[0].confirmedAt);
  });

  clocks('a snapshot held by a cache on the way is as old as that cache says', async (t) => {
    const stub = await startStub(t);
    stub.behave = (request, response) => {
      response.setHeader('age', '3');
      behaviour.prices()(request, response, stub);
    };
    const edge = await startEdge(t, { origins: [stub] });
    const answer = await edge.ask(PRICES);
    assert.equal(json(answer).stale, true, 'three seconds, one of rounding, and one in a client');
  });

  await Promise.all(cases);
});
