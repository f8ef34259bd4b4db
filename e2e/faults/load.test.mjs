// The edge under many clients at once: cold herds, floods, clients that vanish, requests that
// panic. Whatever their number, the origin is asked about once a second, and every answer is true.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAnswers } from '../harness/check.mjs';
import { PRICES, startEdge, startIsolates } from '../harness/edge.mjs';
import { concluded, figures, greatest } from '../harness/figures.mjs';
import { Book, Wire, startFlood } from '../harness/flood.mjs';
import { RawClient, json } from '../harness/http.mjs';
import { startMarket } from '../harness/market.mjs';
import { startOrigin } from '../harness/origin.mjs';
import { read, tookMs } from '../harness/probe.mjs';
import { behaviour, startStub } from '../harness/stub.mjs';
import { lasts, until } from '../harness/until.mjs';
import { WARM_AFTER, assertLittle, watchWorkerd } from '../harness/usage.mjs';

const HARD_MS = 2_000;
/** Origin fetches a second, whatever the load. */
const FETCHES_PER_S = 1.2;

const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const onItsOwn = { agent: undefined };

describe('the edge under load', () => {
  /** 1,000 clients at once on so many cold isolates; nothing where this machine held up the origin's answer. */
  async function coldHerd(t, isolates) {
    const stub = await startStub(t, behaviour.prices({ delayMs: 100 }));
    const edges = await startIsolates(t, isolates, { origins: [stub] });
    // Connected beforehand, each isolate loaded: it is the fetch that they have to wait for.
    await Promise.all(edges.map((edge) => edge.health()));
    const clients = await Promise.all(times(1000, (i) => Wire.open(edges[i % isolates])));
    const askedAt = Date.now();
    const answers = (await Promise.all(clients.map((client) => client.ask([{}])))).flat();
    for (const client of clients) client.close();
    await edges[0].stop();
    const isHeldUp = stub.requests.some(({ closedAt }) => closedAt - askedAt > 700);
    return isHeldUp ? undefined : { answers: answers.map((answer) => (answer.status === 200 ? read(answer) : answer)), fetches: stub.fetches };
  }

  test('a cold edge asked by 1,000 at once fetches once in each isolate, and all 1,000 are answered', async (t) => {
    const herd = (isolates) => until('a herd that this machine was quick enough for', 120_000, () => coldHerd(t, isolates));
    const [one, four] = [await herd(1), await herd(4)];
    const answers = [...one.answers, ...four.answers];
    assertAnswers(answers);
    figures(t, { probed: answers.length, lies: 0, slowest_ms: greatest(answers.map(tookMs)), fetches_of_one: one.fetches, fetches_of_four: four.fetches });
    assert.equal(one.fetches, 1);
    assert.ok(four.fetches <= 4, `${four.fetches} fetches of four isolates`);
  });

  test('a flood of conditional requests is answered by the edge, and the origin is asked no more often', async (t) => {
    const market = await startMarket(t);
    const origin = await startOrigin(t, market);
    const edge = await startEdge(t, { origins: [origin] });
    const book = new Book();
    const first = await edge.ask();
    book.enter(first);
    let known = first.headers.etag;
    const counts = { 200: 0, 304: 0 };
    const flood = startFlood(t, edge, {
      next: () => ({ headers: { 'if-none-match': known } }),
      seen: (answer, request, line) => {
        book.enter(answer, line);
        counts[answer.status] += 1;
        known = answer.headers.etag;
      },
    });
    await until('V8 has taken its memory', 60_000, () => flood.answered > WARM_AFTER);
    const gained = watchWorkerd();
    const [from, before] = [Date.now(), await origin.pricesServed()];
    await lasts(10_000, from);
    const perS = ((await origin.pricesServed()) - before) / ((Date.now() - from) / 1000);
    await flood.stop();
    const held = await gained();
    await concluded(t, { market, probe: book }, { probed: book.probed, answered_304: counts[304], origin_fetches_per_s: Number(perS.toFixed(2)), ...held });
    assertLittle(held, 100);
    assert.ok(counts[304] > counts[200], JSON.stringify(counts));
    assert.ok(perS <= FETCHES_PER_S, `${perS} origin fetches a second`);
  });

  test('the one client that caused a refresh vanishes: its followers and the refresh do not notice', async (t) => {
    const stub = await startStub(t);
    const edge = await startEdge(t, { origins: [stub] });
    const answers = [read(await edge.ask())];
    stub.behave = behaviour.prices({ delayMs: 400 });
    for (let round = 2; round <= 5; round++) {
      const { at } = stub.requests.at(-1);
      await lasts(HARD_MS + 500, at);
      const leader = await RawClient.send(edge.url, PRICES);
      await until('the leader fetches', 3000, () => stub.fetches === round);
      const followers = Promise.all(times(25, () => edge.ask(PRICES, onItsOwn)));
      leader.reset();
      const answered = await followers;
      assert.equal(leader.status, undefined, 'it had no answer before it was gone');
      answers.push(...answered.map((answer) => (answer.status === 200 ? read(answer) : answer)));
      assert.equal(stub.fetches, round, 'the refresh went on');
      assert.ok(answered.every((answer) => json(answer).seq === round));
    }
    assertAnswers(answers);
    figures(t, { probed: answers.length, lies: 0, slowest_ms: greatest(answers.map(tookMs)) });
  });

  test('a panic in one of 100 requests at once, ten times over: 1,000 answers, and the next is good', async (t) => {
    const stub = await startStub(t, behaviour.prices({ delayMs: 100 }));
    const edge = await startEdge(t, { origins: [stub], build: 'build/drill' });
    const answers = [];
    const next = [];
    const keep = (answer) => answers.push(answer.status === 200 ? read(answer) : answer);
    keep(await edge.ask());
    for (let round = 0; round < 10; round++) {
      // Requests that find a hit have none to wait for: those that wait come to a copy beyond its hard age.
      const place = round % 5 === 4 ? 'handler' : 'hot';
      if (place === 'handler') await lasts(HARD_MS + 100, stub.requests.at(-1).at);
      else await until('a hit', 3000, async () => (await edge.ask()).headers['cache-status'] === 'pricecast; hit');
      const drill = (i) => (i === 50 ? { 'pricecast-drill': `${place}-${round}` } : {});
      (await Promise.all(times(100, (i) => edge.ask(PRICES, { ...onItsOwn, headers: drill(i) })))).forEach(keep);
      next.push(await edge.ask());
      keep(next.at(-1));
    }
    assertAnswers(answers);
    const panics = edge.logs.join('\n').match(/drill in the (hot|handler)/g)?.length ?? 0;
    figures(t, { probed: answers.length, lies: 0, panics, slowest_ms: greatest(answers.map(tookMs)), next_ms: greatest(next.map(tookMs)) });
    assert.ok(panics >= 10, `${panics} panics`);
    assert.ok(greatest(next.map(tookMs)) <= 2000);
  });
});
