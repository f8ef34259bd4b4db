// Versions that meet: a deploy, a rollback, half of one and half of the other, a secret exchanged;
// and what is left of the prices when isolates, caches and origins come and go meanwhile.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRESH_FOR_MS, assertFresh, assertProblem } from '../harness/check.mjs';
import { PRICES, startEdge, startIsolates } from '../harness/edge.mjs';
import { concluded, figures } from '../harness/figures.mjs';
import { request } from '../harness/http.mjs';
import { startMarket } from '../harness/market.mjs';
import { startOrigin } from '../harness/origin.mjs';
import { freshFolder } from '../harness/paths.mjs';
import { NOT_BUILT, previousVersion } from '../harness/previous.mjs';
import { read, startProbe } from '../harness/probe.mjs';
import { behaviour, snapshotBody, startStub } from '../harness/stub.mjs';
import { lasts, pause, until } from '../harness/until.mjs';

/** How old a copy may be that is served without waiting, and a fetch. */
const RESIDENCE_MS = 2_000 + 500;

/** Answers that were collected otherwise than by a probe, for `concluded`. */
const collected = (answers) => ({ stop: () => answers });
const pricesOf = ({ body }) => body.prices.map(({ symbol, price, source, confirmedAt }) => ({ symbol, price, source, confirmedAt }));
const isLive = (probe) => probe.last?.status === 200 && probe.last.body.mode === 'live';

/** Asks until the answer is flagged; all are the same prices, and none is shown unflagged beyond its time. */
async function untilFlagged(edge, known, answers) {
  return until('the last prices are flagged', 8000, async () => {
    const answer = read(await edge.ask());
    answers.push(answer);
    assert.deepEqual(pricesOf(answer), pricesOf(known));
    for (const { confirmedAt } of answer.body.prices.filter((price) => !price.stale)) assertFresh(answer, confirmedAt, 'a last known price');
    return answer.body.mode === 'frozen' && answer;
  });
}

describe('versions that meet', { concurrency: 2 }, () => {
  test('each of two versions of the Worker with each of two of the origin gives true prices through a failover', async (t) => {
    const old = previousVersion();
    if (!old) return t.skip(NOT_BUILT);
    const market = await startMarket(t);
    const origins = [await startOrigin(t, market), await startOrigin(t, market, {}, old.program)];
    const PAIRS = [[0], [0, old.code], [1], [1, old.code]];
    const edges = await startIsolates(t, PAIRS.length, (i) => {
      const [origin, code] = PAIRS[i];
      return { origins: [origins[origin]], code, vars: { ENVIRONMENT: `pair-${i}` } };
    });
    const probes = edges.map((edge) => startProbe(t, edge, { everyMs: 50 }));
    await until('live prices from each pair', 15_000, () => probes.every(isLive));
    const silentAt = await market.fault({ target: 'kraken', fault: 'silence' });
    await until('Coinbase for each pair', FRESH_FOR_MS + 1000, () => probes.every((probe) => probe.last.body.mode === 'fallback'));
    const fallbackMs = Date.now() - silentAt;
    await market.fault({ target: 'coinbase', fault: 'silence' });
    await until('old prices flagged by each pair', 8000, () => probes.every((probe) => probe.last.body.mode === 'frozen'));
    const clearedAt = await market.clear();
    await until('a live price from each pair', FRESH_FOR_MS, () => probes.every((probe) => probe.last.body.mode !== 'frozen'));
    await concluded(t, { market, probes }, { fallback_ms: fallbackMs, recovered_ms: Date.now() - clearedAt });
    for (const edge of edges) assert.equal((await edge.health()).origin.reachable, true);
  });

  test('a Worker deployed, and rolled back, while the origin is dead goes on with the last known prices', async (t) => {
    const old = previousVersion();
    if (!old) return t.skip(NOT_BUILT);
    const market = await startMarket(t);
    const origin = await startOrigin(t, market);
    const first = await startEdge(t, { origins: [origin], code: old.code });
    const before = startProbe(t, first);
    await until('live prices', 10_000, () => isLive(before));
    await until('a fetch is settled', 3000, async () => (await first.health()).origin.reachable);
    await origin.kill();
    const known = await until('the last publication, and what is left of it', 5000, async () => {
      const { reachable } = (await first.health()).origin;
      return !reachable && before.last;
    });
    const answers = await before.stop();
    const { folder, port } = first;
    await first.stop();
    for (const code of [undefined, old.code]) {
      const edge = await startEdge(t, { origins: [origin], code, folder, port });
      const flagged = await untilFlagged(edge, known, answers);
      assert.equal(flagged.headers['cache-status'], 'pricecast; hit; ttl=-1; detail=last-known');
      if (code) {
        await origin.start();
        await origin.untilReady();
        const readyAt = Date.now();
        await until('fresh prices', FRESH_FOR_MS, async () => !answers[answers.push(read(await edge.ask())) - 1].body.stale);
        await concluded(t, { market, probe: collected(answers) }, { recovered_ms: Date.now() - readyAt });
      }
      await edge.stop();
    }
  });

  test('a data centre half on one version and half on the next: a client sent to either sees nothing old as new', async (t) => {
    const old = previousVersion();
    if (!old) return t.skip(NOT_BUILT);
    const market = await startMarket(t);
    const state = freshFolder(t, 'shared-state');
    const origin = await startOrigin(t, market, { PRICECAST_STATE_DIR: state });
    const edges = await startIsolates(t, 2, (i) => ({ origins: [origin], code: i === 0 ? undefined : old.code }));
    const probes = edges.map((edge) => startProbe(t, edge, { everyMs: 40 }));
    await until('live prices', 10_000, () => probes.every(isLive));
    const [from, before] = [Date.now(), await origin.pricesServed()];
    await lasts(8000, from);
    const perS = ((await origin.pricesServed()) - before) / ((Date.now() - from) / 1000);
    // A new epoch in between, and an outage before it.
    const restartedAt = Date.now();
    const { epoch } = probes[0].last.body;
    await origin.stop();
    await origin.start();
    await until('live prices of the new epoch', 15_000, () => probes.every((probe) => isLive(probe) && probe.last.body.epoch > epoch));

    // One client sent now here, now there: it drops what is older than what it shows.
    const sides = await Promise.all(probes.map((probe) => probe.stop()));
    let [shown, dropped, backwardsMs] = [undefined, 0, 0];
    for (const answer of sides.flat().sort((a, b) => a.receivedAt - b.receivedAt)) {
      const isOlder = shown && (answer.body.epoch - shown.body.epoch || answer.body.seq - shown.body.seq) < 0;
      if (!isOlder) shown = answer;
      else {
        dropped += 1;
        if (answer.receivedAt < restartedAt) backwardsMs = Math.max(backwardsMs, shown.body.timestamp - answer.body.timestamp);
      }
    }
    await concluded(t, { market, probes }, { dropped, backwards_ms: backwardsMs, origin_fetches_per_s: Number(perS.toFixed(2)) });
    assert.ok(backwardsMs <= RESIDENCE_MS, `a version was ${backwardsMs} ms behind the other`);
    assert.ok(perS <= 1.5, `${perS} origin fetches a second for two versions that share a cache`);
  });

  /** What another version may have left in the shared cache: `[what, headers, body, whether it is read]`. */
  const known = { now: Date.now(), confirmedAt: Date.now() - 60_000, seq: 7, epoch: Date.now() - 120_000 };
  const snapshot = snapshotBody(known);
  const SNAP = { 'pricecast-schema': '1', 'pricecast-sent-at': `${Date.now()}`, 'pricecast-now': `${known.now}` };
  const LEFT = [
    ['a newer schema', { ...SNAP, 'pricecast-schema': '2' }, '{"v":2,"rows":[["BTC",1]]}', false],
    ['a newer schema of the same looks', { ...SNAP, 'pricecast-schema': '2' }, snapshot, false],
    ['no schema', { ...SNAP, 'pricecast-schema': '' }, snapshot, false],
    ['a body of another shape', SNAP, '{"v":2,"rows":[["BTC",1]]}', false],
    ['half a body', SNAP, snapshot.slice(0, 200), false],
    ['an exchange not known yet', SNAP, snapshot.replaceAll('"source":"kraken"', '"source":"next"'), false],
    ['no time of its own', { ...SNAP, 'pricecast-sent-at': '' }, snapshot, false],
    ['a time that is none', { ...SNAP, 'pricecast-now': '1e3' }, snapshot, false],
    ['fields, states and reasons not known yet', SNAP, snapshot.replace('"stale":', '"bid":1.5,"stale":').replace('"status":"stale"', '"status":"paused","reason":"moon"').replace('"mode"', '"venue":{"a":[1]},"mode"'), true],
  ];

  test('what a newer version has left in the shared cache is ignored or read by a tolerant reader, and breaks nothing', async (t) => {
    const old = previousVersion();
    const CODES = old ? [undefined, old.code] : [undefined];
    const main = `
      import worker from './entry.mjs';
      export default {
        async fetch(request, env, ctx) {
          const { pathname } = new URL(request.url);
          if (!pathname.startsWith('/leave/')) return worker.fetch(request, env, ctx);
          const key = request.url.replace('/leave/', '/.pricecast/' + env.ENVIRONMENT + '/v1/');
          const { headers, body } = await request.json();
          await caches.default.put(key, new Response(body, { headers: { ...headers, 'cache-control': 'max-age=86400' } }));
          return new Response('left');
        },
      };`;
    const cases = LEFT.flatMap((left) => CODES.map((code) => ({ left, code })));
    const stubs = await Promise.all(cases.map(() => startStub(t, behaviour.status(500))));
    const edges = await startIsolates(t, cases.length, (i) => ({
      origins: [stubs[i]],
      main,
      code: cases[i].code,
      vars: { ENVIRONMENT: `case-${i}` },
    }));
    const leave = async (edge, name, headers, body) => {
      const answer = await edge.ask(`/leave/${name}`, { method: 'POST', body: JSON.stringify({ headers, body }) });
      assert.equal(answer.status, 200, answer.body);
    };
    let probed = 0;
    await Promise.all(
      cases.map(async ({ left: [what, headers, body, isRead], code }, i) => {
        const who = `${code ? 'the previous version' : 'this version'} finds ${what}`;
        await leave(edges[i], 'snap', headers, body);
        // Its record of whose turn it is may be from the future, too.
        await leave(edges[i], 'turn', { 'pricecast-schema': headers['pricecast-schema'] }, '{"by":1,"until":9000000000000,"fails":9,"retryAt":9000000000000,"at":9000000000000,"v":2}');
        for (let n = 0; n < 3; n++) {
          const answer = await edges[i].ask();
          probed += 1;
          if (!isRead) {
            assertProblem(answer, 503, 'no_data_yet');
            continue;
          }
          assert.equal(answer.status, 200, `${who}: ${answer.body}`);
          const { body } = read(answer);
          assert.deepEqual([body.seq, body.mode], [known.seq, 'frozen'], who);
        }
        stubs[i].epoch = Date.now();
        stubs[i].behave = behaviour.prices();
        await until(`${who}: fresh prices`, 2 * FRESH_FOR_MS, async () => {
          await pause(100);
          const answer = await edges[i].ask();
          probed += 1;
          return answer.status === 200 && !read(answer).body.stale;
        });
      }),
    );
    assert.doesNotMatch(edges[0].logs.join('\n'), /panick/);
    figures(t, { probed, lies: 0, kinds: LEFT.length, versions: CODES.length });
  });

  test('a secret exchanged while both are valid: no request of the edge is refused', async (t) => {
    const [oldSecret, newSecret] = ['the-secret-of-yesterday', 'the-secret-of-tomorrow'];
    const market = await startMarket(t);
    const origin = await startOrigin(t, market, { PRICECAST_ACCESS__SECRETS: oldSecret });
    const before = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: oldSecret } });
    const answers = [];
    let refused = 0;
    const exchange = async (secrets) => {
      refused += await origin.requests('status="403"');
      await origin.stop();
      await origin.start({ PRICECAST_ACCESS__SECRETS: secrets });
    };
    const isFresh = (probe) => probe.last && !probe.last.body.stale;

    // The origin learns the new one, the Worker takes it, the origin forgets the old one.
    let probe = startProbe(t, before, { everyMs: 40 });
    await until('live prices', 10_000, () => isLive(probe));
    await exchange(`${oldSecret},${newSecret}`);
    await lasts(4000, Date.now());
    await until('fresh prices', FRESH_FOR_MS, () => isFresh(probe));
    answers.push(await probe.stop());
    const { folder, port } = before;
    await before.stop();
    const after = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: newSecret }, folder, port });
    probe = startProbe(t, after, { everyMs: 40 });
    await lasts(3000, Date.now());
    await exchange(newSecret);
    await lasts(4000, Date.now());
    await until('fresh prices', FRESH_FOR_MS, () => isFresh(probe));
    answers.push(await probe.stop());
    refused += await origin.requests('status="403"');
    const served = await origin.pricesServed();
    await concluded(t, { market, probes: answers.map(collected) }, { refused });
    assert.equal(refused, 0);
    assert.ok(served >= 3, 'and the origin was asked');
    // The proof that this origin would have refused it.
    assertProblem(await request(`${origin.url}${PRICES}`, { headers: { 'pricecast-origin-secret': oldSecret } }), 403, 'forbidden');
    assert.equal(await origin.requests('status="403"'), 1);
  });

  test('in an outage a new isolate and a restarted data centre know the last prices, and an empty one says that it knows none', async (t) => {
    const market = await startMarket(t);
    const origin = await startOrigin(t, market);
    const [warm, cold] = await startIsolates(t, 2, { origins: [origin] });
    const probe = startProbe(t, warm);
    await until('live prices', 10_000, () => isLive(probe));
    await until('a fetch is settled', 3000, async () => (await warm.health()).origin.reachable);
    await origin.kill();
    const known = await until('the outage is noticed', 5000, async () => !(await warm.health()).origin.reachable && probe.last);
    const answers = await probe.stop();

    // Nobody has asked the second isolate so far.
    await untilFlagged(cold, known, answers);
    const { folder } = warm;
    await warm.stop();
    const [restarted] = await startIsolates(t, 1, { origins: [origin] }, { folder });
    const flagged = await untilFlagged(restarted, known, answers);
    await restarted.stop();

    const [empty] = await startIsolates(t, 1, { origins: [origin] });
    let probed = 0;
    for (; probed < 20; probed++) {
      const answer = await empty.ask();
      assertProblem(answer, 503, 'no_data_yet');
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
    }
    await origin.start();
    await origin.untilReady();
    const readyAt = Date.now();
    await until('prices in the empty data centre', FRESH_FOR_MS, async () => (await empty.ask()).status === 200);
    const recoveredMs = Date.now() - readyAt;
    await concluded(t, { market, probe: collected(answers) }, { probed: answers.length + probed, recovered_ms: recoveredMs });
    assert.equal(flagged.body.epoch, known.body.epoch);
  });
});
