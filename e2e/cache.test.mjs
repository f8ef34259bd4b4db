// The edge as a cache: when it fetches, who waits, and what becomes of clients that vanish.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertFresh, assertProblem } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { RawClient, json } from './harness/http.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

const SOFT_MS = 1_000;
const HARD_MS = 2_000;
/** An answer within so much of a request leaves the edge time to give it before anybody has waited for a second. */
const KEEPS_UP_MS = 600;

const statusOf = (answer) => answer.headers['cache-status'];
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));

/** Waits until the copy that was fetched at `at` is older than `ageMs`. */
const olderThan = (ageMs, at) => until(`the copy is ${ageMs} ms old`, ageMs + 1000, () => Date.now() > at + ageMs);

/** How often each status was answered. */
function tally(answers) {
  const counts = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('a cold edge fetches once, and what follows is a hit without a fetch', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  const cold = await edge.ask();
  assert.equal(statusOf(cold), 'pricecast; fwd=miss; stored');
  const hits = await Promise.all(times(50, () => edge.ask()));
  for (const hit of hits) {
    assert.equal(statusOf(hit), 'pricecast; hit');
    assert.equal(hit.body, cold.body);
  }
  assert.equal(stub.fetches, 1);
});

test('past its soft age a copy is still served at once, while one fetch brings the next', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  const { seq } = json(await edge.ask());
  const filledAt = stub.requests[0].at;
  stub.behave = behaviour.prices({ delayMs: 400 });
  await olderThan(SOFT_MS + 50, filledAt);
  const answers = await Promise.all(times(50, () => edge.ask()));
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    assert.equal(json(answer).seq, seq, 'nobody waited for the fetch');
  }
  assert.ok(answers.some((answer) => statusOf(answer) === 'pricecast; hit; ttl=0; detail=revalidating'));
  await until('the next publication is served', 3000, async () => json(await edge.ask()).seq === seq + 1);
  assert.equal(stub.fetches, 2);
});

test('what a refresh brings is answered at once, though the copy before it could be given for longer', async (t) => {
  const stub = await startStub(t, behaviour.prices({ delayMs: 100 }));
  const edge = await startEdge(t, { origins: [stub] });
  // Each second is another chance: only a machine that stands still can miss them all.
  await until('a publication while the one before it is not beyond its hard age', 15_000, async () => {
    const answer = await edge.ask();
    const before = stub.requests[json(answer).seq - 2];
    return before && answer.receivedAt < before.at + HARD_MS - 250;
  });
});

test('beyond its hard age everybody waits for one fetch', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  const { seq } = json(await edge.ask());
  stub.behave = behaviour.prices({ delayMs: 300 });
  await olderThan(HARD_MS + 50, stub.requests[0].at);
  const answers = await Promise.all(times(50, () => edge.ask()));
  for (const answer of answers) {
    assert.equal(json(answer).seq, seq + 1, 'the old copy was given to nobody');
    assert.match(statusOf(answer), /^pricecast; fwd=stale; (stored|collapsed)$/);
  }
  assert.equal(stub.fetches, 2);
});

test('500 cold requests at once cause one fetch and are all answered', async (t) => {
  await until('a herd on a machine that keeps up with it', 120_000, async () => {
    const stub = await startStub(t, behaviour.prices({ delayMs: 20 }));
    const edge = await startEdge(t, { origins: [stub] });
    const answers = await Promise.all(times(500, () => edge.ask(PRICES, { agent: undefined })));
    // Stub and herd share a thread. Where that has held the answer up for long, nobody waited for it, and rightly.
    const askedAt = Math.min(...answers.map(({ sentAt }) => sentAt));
    if (!(stub.requests[0].closedAt < askedAt + KEEPS_UP_MS)) return false;
    assert.deepEqual(tally(answers), { 200: 500 });
    // Whoever is answered later yet may find the copy past its soft age.
    assert.equal(stub.requests.filter(({ at }) => at < askedAt + SOFT_MS).length, 1);
    return true;
  });
});

test('a cold herd at an origin that hangs is told so in good time', async (t) => {
  const stub = await startStub(t, behaviour.hang());
  const edge = await startEdge(t, { origins: [stub] });
  const answers = await Promise.all(times(100, () => edge.ask(PRICES, { agent: undefined })));
  for (const answer of answers) {
    assertProblem(answer, 503, 'no_data_yet');
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.ok(answer.receivedAt - answer.sentAt < 2500, `${answer.receivedAt - answer.sentAt} ms`);
  }
  assert.equal(stub.fetches, 1);
});

test('a tag from before a price was flagged is not known after it', async (t) => {
  const stub = await startStub(t, behaviour.prices({ ageMs: 3500 }));
  const edge = await startEdge(t, { origins: [stub] });
  const fresh = await edge.ask();
  assert.equal(json(fresh).stale, false);
  stub.behave = behaviour.fixed(fresh.body);
  const flagged = await until('the flag', 3000, async () => {
    const answer = await edge.ask(PRICES, { headers: { 'if-none-match': fresh.headers.etag } });
    return answer.status === 200 && answer;
  });
  assert.equal(json(flagged).stale, true);
  assert.equal(json(flagged).seq, json(fresh).seq);
  assert.notEqual(flagged.headers.etag, fresh.headers.etag);
  const again = await edge.ask(PRICES, { headers: { 'if-none-match': flagged.headers.etag } });
  assert.equal(again.status, 304);
});

for (const [when, prepare] of [
  ['of a cold edge', async () => 1],
  [
    'of a copy beyond its hard age',
    async (edge, stub) => {
      await edge.ask();
      await olderThan(HARD_MS + 50, stub.requests[0].at);
      return 2;
    },
  ],
]) {
  test(`50 clients cut by RST in the middle of the refresh ${when}, the leader among them, cost nobody anything`, async (t) => {
    const stub = await startStub(t);
    const edge = await startEdge(t, { origins: [stub] });
    const fetches = await prepare(edge, stub);
    stub.behave = behaviour.prices({ delayMs: 400 });
    const cut = await Promise.all(times(50, () => RawClient.send(edge.url, PRICES)));
    await until('the leader fetches', 3000, () => stub.fetches === fetches);
    const followers = Promise.all(times(50, () => edge.ask(PRICES, { agent: undefined })));
    for (const client of cut) client.reset();
    assert.ok(cut.every((client) => client.status === undefined), 'nobody had an answer before the cut');
    const answers = await followers;
    assert.deepEqual(tally(answers), { 200: 50 });
    assert.ok(answers.every((answer) => json(answer).seq === fetches));
    assert.equal(stub.fetches, fetches);
  });
}

test('a client that causes a refresh and vanishes with its answer leaves the refresh running', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  await edge.ask();
  stub.behave = behaviour.prices({ delayMs: 400 });
  await olderThan(SOFT_MS + 50, stub.requests[0].at);
  const clients = await Promise.all(times(50, () => RawClient.send(edge.url, PRICES)));
  await until('the refresh fetches', 3000, () => stub.fetches === 2);
  for (const client of clients) client.reset();
  await until('its result is served', 3000, async () => json(await edge.ask()).seq === 2);
  assert.equal(stub.fetches, 2);
});

test('a restarted edge answers from the shared cache while the origin hangs', async (t) => {
  const stub = await startStub(t);
  const first = await startEdge(t, { origins: [stub] });
  const { seq, prices } = json(await first.ask());
  const confirmedAt = prices[0].confirmedAt;
  // What is put into the shared cache is put after the answer.
  await until('a fetch is settled', 3000, async () => (await first.health()).origin.reachable);
  const { folder, port } = first;
  await first.stop();
  stub.behave = behaviour.hang();
  const second = await startEdge(t, { origins: [stub], folder, port });
  const answer = await second.ask();
  assert.equal(answer.status, 200);
  assert.equal(json(answer).seq, seq);
  const flagged = await until('the flag', 6000, async () => {
    const answer = await second.ask();
    assert.equal(answer.status, 200);
    const { stale } = json(answer);
    if (!stale) assertFresh(answer, confirmedAt, 'the price from the shared cache');
    return stale && answer;
  });
  assert.ok(Number(flagged.headers['pricecast-now']) - confirmedAt >= 3800, 'nor long before four');
});
