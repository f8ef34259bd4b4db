// The edge when something fails: its origin, its shared cache, its clock, an isolate, a client. In
// each case clients ask throughout, and every answer is checked.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRESH_FOR_MS, assertAnswers, assertProblem } from '../harness/check.mjs';
import { PRICES, startEdge, startIsolates } from '../harness/edge.mjs';
import { concluded, greatest } from '../harness/figures.mjs';
import { RawClient, json, request } from '../harness/http.mjs';
import { startMarket } from '../harness/market.mjs';
import { startColdOrigin, startOrigin } from '../harness/origin.mjs';
import { startProbe, tookMs } from '../harness/probe.mjs';
import { behaviour, snapshotBody, startStub } from '../harness/stub.mjs';
import { lasts, until } from '../harness/until.mjs';

const HARD_MS = 2_000;
/** A price is flagged from 4 s on (H = 1 s), less one round trip to the origin: on a busy machine that is long. */
const FLAGGED_FROM_MS = 2_500;
const RECOVERED_WITHIN_MS = 5_000;
/** Nobody waits for longer than a second; the rest is this machine's. */
const ANSWERED_WITHIN_MS = 2_000;
const CACHE_STATUS = /^pricecast; (hit(; ttl=0; detail=revalidating|; ttl=-1; detail=last-known)?|fwd=(miss|stale); (stored|collapsed))$/;

const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));
/** Answers that were collected otherwise than by a probe, for `concluded`. */
const collected = (answers) => ({ stop: () => answers });

/** Probes on all of them, once each has prices: how a cold one starts is not the matter here. */
async function startWarmProbes(t, edges) {
  const isWarm = async (edge) => (await edge.ask()).status === 200;
  await Promise.all(edges.map((edge) => until('the first prices', 15_000, () => isWarm(edge))));
  return edges.map((edge) => startProbe(t, edge, { everyMs: 80 }));
}

/** For 503s: the answers before there were prices, and those after. */
function atFirstPrices(answers) {
  const first = answers.findIndex((answer) => answer.status === 200);
  return [answers.slice(0, first), answers.slice(first)];
}

function assertNoData(answer) {
  assertProblem(answer, 503, 'no_data_yet');
  assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
}

/** Flagged by their true age: neither after `frozenAt` unflagged, nor long before their time flagged. */
function assertFlaggedByAge(answers, frozenAt) {
  for (const { body, sentAt, receivedAt } of answers) {
    if (sentAt >= frozenAt) assert.equal(body.mode, 'frozen', `at ${sentAt - frozenAt} ms after the last confirmation's five seconds`);
    for (const price of body.prices.filter((price) => price.stale)) {
      assert.ok(receivedAt - price.confirmedAt >= FLAGGED_FROM_MS, `${price.symbol} flagged at ${receivedAt - price.confirmedAt} ms`);
    }
  }
}

/**
 * One Worker for each way to fail, `[what, behave, code]`, with an origin of its own that gives
 * prices, fails for seven seconds and is well again. The last prices are answered throughout,
 * flagged by their true age; nothing of the failure is.
 */
async function outlive(t, ways) {
  const stubs = await Promise.all(ways.map(() => startStub(t)));
  const edges = await startIsolates(t, ways.length, (i) => ({ origins: [stubs[i]], vars: { ENVIRONMENT: `way-${i}` } }));
  const probes = await startWarmProbes(t, edges);

  const failedAt = Date.now();
  const known = stubs.map((stub) => stub.seq);
  ways.forEach(([, behave], i) => (stubs[i].behave = behave));
  await lasts(7000, failedAt);
  const codes = await Promise.all(edges.map(async (edge) => (await edge.health()).origin.lastFailure));
  const fetches = stubs.map((stub) => stub.requests.filter(({ at }) => at >= failedAt).length);

  const healedAt = Date.now();
  for (const stub of stubs) stub.behave = behaviour.prices();
  const isFresh = ({ last }) => last?.sentAt >= healedAt && !last.body.stale;
  await until('fresh prices everywhere', RECOVERED_WITHIN_MS, () => {
    const late = ways.filter((_, i) => !isFresh(probes[i])).map(([what]) => what);
    if (late.length > 0) throw new Error(`not after ${late.join(', nor after ')}`);
    return true;
  });
  const recoveredMs = Date.now() - healedAt;

  const answers = await Promise.all(probes.map((probe) => probe.stop()));
  const slowestMs = greatest(answers.flat().map(tookMs));
  await concluded(t, { probes }, { slowest_ms: slowestMs, recovered_ms: recoveredMs, origin_fetches: greatest(fetches) });
  for (const [i, [what, , code]] of ways.entries()) {
    const during = answers[i].filter(({ sentAt, receivedAt }) => sentAt >= failedAt && receivedAt <= healedAt);
    assertFlaggedByAge(during, failedAt + FRESH_FOR_MS);
    for (const { body, headers } of answers[i]) {
      assert.match(headers['cache-status'], CACHE_STATUS, what);
      assert.equal(headers.age, undefined, 'what the Worker answers is stamped anew');
      assert.deepEqual(body.prices.map(({ symbol, price }) => [symbol, price]), [['BTC', 67432.1], ['ETH', 3521.4]], what);
    }
    assert.ok(during.every(({ body }) => body.seq <= known[i]), `${what}: nothing of it was kept`);
    // A machine that is busy enough makes a time-out of anything.
    assert.ok([code, 'timed_out'].includes(codes[i]), `${what}: ${codes[i]}, not ${code}`);
    assert.ok(fetches[i] <= 7, `${what}: ${fetches[i]} fetches in seven seconds`);
  }
  assert.ok(slowestMs <= ANSWERED_WITHIN_MS, `an answer took ${slowestMs} ms`);
}

describe('the edge when something fails', { concurrency: 2 }, () => {
  test('an origin that fails by 5xx, reset or silence: the last prices by their true age, and fresh ones soon after it is well', async (t) => {
    await outlive(t, [
      ['500', behaviour.status(500), 'status_500'],
      ['502', behaviour.status(502), 'status_502'],
      ['503', behaviour.status(503, { 'retry-after': '60' }), 'status_503'],
      ['504', behaviour.status(504), 'status_504'],
      ['a reset', behaviour.reset(), 'unreachable'],
      ['silence', behaviour.hang(), 'timed_out'],
    ]);
  });

  test('an origin that answers 401, 403, 404, 410 or 429, newer prices in the body: nothing of it replaces good data', async (t) => {
    await outlive(t, [
      ['401', behaviour.pricesAs(401), 'status_401'],
      ['403', behaviour.pricesAs(403), 'status_403'],
      ['404', behaviour.pricesAs(404), 'status_404'],
      ['410', behaviour.pricesAs(410), 'status_410'],
      ['429', behaviour.pricesAs(429, { 'retry-after': '60' }), 'status_429'],
    ]);
  });

  test('a body cut, of a wrong length, or of a wrong type is never kept', async (t) => {
    const snapshot = snapshotBody({ now: Date.now(), confirmedAt: Date.now(), seq: 1_000_000, epoch: Date.now() });
    const endless = snapshot + ' '.repeat(1 << 20);
    const forged = (from, to) => behaviour.fixed(snapshot.replace(from, to));
    await outlive(t, [
      ['cut', behaviour.truncate(), 'unreachable'],
      ['cut after all its chunks', behaviour.cutInChunks(), 'unreachable'],
      ['half, and declared as such', behaviour.fixed(snapshot.slice(0, snapshot.length / 2)), 'undecodable'],
      ['longer than declared', behaviour.misframed((length) => length - 200), 'undecodable'],
      ['shorter than declared', behaviour.misframed((length) => length + 200), 'timed_out'],
      ['empty', behaviour.fixed(''), 'undecodable'],
      ['longer than any of ours', behaviour.fixed(endless), 'undecodable'],
      ['longer than any of ours, and declared as such', behaviour.fixed(endless, { 'content-length': endless.length }), 'too_long'],
      ['a page', behaviour.html(), 'undecodable'],
      ['a list', behaviour.fixed(`[${snapshot}]`), 'undecodable'],
      ['declared as gzip', behaviour.fixed(snapshot, { 'content-encoding': 'gzip' }), 'unreachable'],
      ['without any price', forged(/"prices":\[.*?\],/, '"prices":[],'), 'undecodable'],
      ['with a price that is none', forged('67432.10', 'null'), 'undecodable'],
      ['with a price of nought', forged('67432.10', '0'), 'undecodable'],
      ['with an unknown exchange', forged('kraken', 'elsewhere'), 'undecodable'],
    ]);
  });

  test('an origin that hangs is given up after a second, while twenty clients a moment are answered at once', async (t) => {
    const stub = await startStub(t);
    const edge = await startEdge(t, { origins: [stub] });
    await edge.ask();
    const probes = times(20, () => startProbe(t, edge, { everyMs: 100 }));
    await until('a second of prices', 5000, () => probes.every((probe) => probe.answers.length > 10));
    const hungAt = Date.now();
    stub.behave = behaviour.hang();
    await lasts(10_000, hungAt);
    const given = stub.requests.filter(({ at, closedAt }) => at >= hungAt && closedAt);
    const deadlineMs = greatest(given.map(({ at, closedAt }) => closedAt - at));
    const answers = (await Promise.all(probes.map((probe) => probe.stop()))).flat();
    const slowest = answers.filter(({ sentAt }) => sentAt >= hungAt).map(tookMs).sort((a, b) => b - a);
    const p99Ms = slowest[Math.floor(slowest.length / 100)];
    await concluded(t, { probes }, { p99_ms: p99Ms, slowest_ms: slowest[0], edge_deadline_ms: deadlineMs });
    assertFlaggedByAge(answers, hungAt + FRESH_FOR_MS);
    assert.ok(given.length >= 3, `${given.length} fetches were given up`);
    assert.ok(deadlineMs <= 1500, `a fetch was given up after ${deadlineMs} ms`);
    assert.ok(slowest[0] <= ANSWERED_WITHIN_MS, `an answer took ${slowest[0]} ms`);
    assert.ok(p99Ms <= 1000, `one answer in a hundred took ${p99Ms} ms`);
  });

  test('a replica that lags, or an older epoch, is not taken over what is held', async (t) => {
    const ways = [
      ['some publications behind', { seqBehind: 3 }],
      ['an epoch behind', { epochBehind: 60_000 }],
    ];
    const stubs = await Promise.all(ways.map(() => startStub(t)));
    // Every other answer is the replica's, and none of it is old by its own stamps.
    for (const [i, stub] of stubs.entries()) {
      stub.behave = (...request) => (stub.fetches % 2 === 1 ? behaviour.prices() : behaviour.lagging(ways[i][1]))(...request);
    }
    const edges = await startIsolates(t, ways.length, (i) => ({ origins: [stubs[i]], vars: { ENVIRONMENT: `way-${i}` } }));
    const probes = await startWarmProbes(t, edges);
    const from = Date.now();
    await lasts(9000, from);
    const answers = await Promise.all(probes.map((probe) => probe.stop()));
    await concluded(t, { probes }, { oldest_price_ms: greatest(answers.flat().map(({ ageMs }) => ageMs)) });
    for (const [i, [what]] of ways.entries()) {
      assert.ok(stubs[i].fetches >= 6, `${what}: both were asked, ${stubs[i].fetches} times in all`);
      assert.ok(new Set(answers[i].map(({ body }) => body.seq)).size >= 3, `${what}: news came through`);
      assert.ok(answers[i].every(({ body }) => body.epoch === stubs[i].epoch), what);
      assert.ok(answers[i].every(({ body }) => !body.stale), `${what}: and nothing was ever flagged`);
    }
  });

  const CACHES = [
    ['throws when asked', 'match() { throw new Error("broken"); }, put: async () => {}'],
    ['fails when asked', 'match: async () => { throw new Error("broken"); }, put: async () => {}'],
    ['throws when given', 'match: async () => {}, put() { throw new Error("413"); }'],
    ['refuses what it is given', 'match: async () => {}, put: async () => { throw new Error("413"); }'],
    ['hangs', 'match: () => new Promise(() => {}), put: () => new Promise(() => {})'],
    ['answers nonsense', 'match: () => "nonsense", put: () => 413'],
    ['gives bodies that break', 'match: async () => new Response(new ReadableStream({ start: (c) => c.error(new Error("broken")) }), { headers: { "pricecast-schema": "1" } }), put: async () => {}'],
    ['is not there', undefined],
  ];

  test('a shared cache that throws, fails, hangs or lies costs nobody an answer', async (t) => {
    const main = (cache) => `
      import worker from './entry.mjs';
      Object.defineProperty(globalThis, 'caches', { value: ${cache ? `{ default: { ${cache} } }` : 'undefined'} });
      export default worker;`;
    const stubs = await Promise.all(CACHES.map(() => startStub(t)));
    const edges = await startIsolates(t, CACHES.length, (i) => ({ origins: [stubs[i]], main: main(CACHES[i][1]) }));
    const probes = await startWarmProbes(t, edges);
    const from = Date.now();
    await lasts(5000, from);
    const hungAt = Date.now();
    const fetches = stubs.map((stub) => stub.requests.filter(({ at }) => at >= from).length);
    for (const stub of stubs) stub.behave = behaviour.hang();
    await lasts(6000, hungAt);
    const answers = await Promise.all(probes.map((probe) => probe.stop()));
    await concluded(t, { probes }, { slowest_ms: greatest(answers.flat().map(tookMs)), origin_fetches: greatest(fetches) });
    for (const [i, [what]] of CACHES.entries()) {
      assert.ok(answers[i].every(({ sentAt, body }) => sentAt >= hungAt || !body.stale), `${what}: live while the origin was`);
      assertFlaggedByAge(answers[i], hungAt + FRESH_FOR_MS);
      assert.ok(fetches[i] <= 7, `${what}: ${fetches[i]} fetches in five seconds`);
    }
  });

  test('before any price was ever known, origin and edge say so and when to come again; five seconds after an exchange speaks there are prices', async (t) => {
    const market = await startMarket(t);
    await market.fault({ target: 'both', fault: 'silence' });
    const origin = await startColdOrigin(t, market);
    const edge = await startEdge(t, { origins: [origin] });
    const probes = [edge, { ask: () => request(`${origin.url}${PRICES}`) }].map((asked) => startProbe(t, asked));
    const coldAt = Date.now();
    await lasts(6000, coldAt);
    const spokeAt = await market.clear();
    await until('prices from both', FRESH_FOR_MS, () => probes.every((probe) => probe.last.status === 200));
    const recoveredMs = Date.now() - spokeAt;
    await lasts(2000, Date.now());
    const [before, after] = [[], []];
    for (const probe of probes) {
      const [cold, warm] = atFirstPrices(await probe.stop());
      before.push(...cold);
      after.push(collected(warm));
    }
    for (const answer of before) assertNoData(answer);
    assert.ok(before.length > 80, `${before.length} answers without prices`);
    assert.ok(after.every(({ stop }) => stop().length > 0));
    const probed = before.length + after.flatMap(({ stop }) => stop()).length;
    await concluded(t, { market, probes: after }, { probed, recovered_ms: recoveredMs });
  });

  test("the edge's clock 3 s ahead, 3 s behind, or swinging between them: no price is shown unflagged after its five seconds", async (t) => {
    const market = await startMarket(t);
    const origin = await startOrigin(t, market);
    const CLOCKS = ['3000', '-3000', 'now() % 3000 < 1500 ? 3000 : -3000'];
    const main = (aheadMs) => `
      import worker from './entry.mjs';
      const now = Date.now;
      Date.now = () => now() + (${aheadMs});
      export default worker;`;
    const vars = (i) => ({ ENVIRONMENT: `clock-${i}` });
    const edges = await startIsolates(t, CLOCKS.length, (i) => ({ origins: [origin], main: main(CLOCKS[i]), vars: vars(i) }));
    const probes = await startWarmProbes(t, edges);
    const isLive = (probe) => probe.last?.body.mode === 'live';
    await until('live prices', 10_000, () => probes.every(isLive));
    const liveAt = Date.now();
    await lasts(4000, liveAt);
    const silentAt = await market.fault({ target: 'both', fault: 'silence' });
    await until('every price flagged', 7000, () => probes.every((probe) => probe.last.body.mode === 'frozen'));
    const frozenMs = Date.now() - silentAt;
    await lasts(FRESH_FOR_MS + 1000, silentAt);
    const clearedAt = await market.clear();
    await until('a live price', FRESH_FOR_MS, () => probes.slice(0, 2).every((probe) => probe.last.body.mode !== 'frozen'));
    const recoveredMs = Date.now() - clearedAt;
    const answers = await Promise.all(probes.map((probe) => probe.stop()));
    await concluded(t, { market, probes }, { frozen_ms: frozenMs, recovered_ms: recoveredMs });
    for (const steady of answers.slice(0, 2)) {
      assert.ok(steady.filter(({ sentAt }) => sentAt > liveAt && sentAt < silentAt).every(({ body }) => !body.stale), 'nor flagged while it is fresh');
      assertFlaggedByAge(steady.filter(({ receivedAt }) => receivedAt <= clearedAt), silentAt + FRESH_FOR_MS);
    }
  });
});
