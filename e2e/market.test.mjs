// The whole path on a simulated market: exchanges → origin → edge → a client that asks ten times
// a second and is never shown an old price as fresh, by the market's own word.
//
// These cases take their time from the product's deadlines, so they run side by side, each with
// processes of its own and a few requests a second.

import assert from 'node:assert/strict';
import test from 'node:test';
import { CLIENT_CACHE_MS, FRESH_FOR_MS, assertContract } from './harness/check.mjs';
import { startEdge } from './harness/edge.mjs';
import { concluded } from './harness/figures.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { read, startProbe } from './harness/probe.mjs';
import { until } from './harness/until.mjs';

/** A price is flagged from 4 s on (H = 1 s), less the 100 ms grid and one round trip to the origin. */
const FLAGGED_FROM_MS = 3_700;

/** The whole path, with a client on it that has seen live prices. */
async function startAll(t, { everyMs } = {}) {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  const edge = await startEdge(t, { origins: [origin] });
  const probe = startProbe(t, edge, { everyMs });
  await until('live prices', 10_000, () => probe.last?.body.mode === 'live');
  return { market, origin, edge, probe };
}

const isAllFrom = (source) => (answer) => answer.body.prices.every((price) => price.source === source);
const isFallback = (answer) => isAllFrom('coinbase')(answer) && answer.body.mode === 'fallback';
const isLive = (answer) => isAllFrom('kraken')(answer) && answer.body.mode === 'live';
const after = (at) => (answer) => answer.receivedAt > at;

/** When the probe first had an answer that `holds`, counted from `since`. */
async function firstAfter(probe, since, limitMs, what, holds) {
  const answer = await until(what, limitMs + 5000, () => probe.answers.find((answer) => after(since)(answer) && holds(answer)));
  const tookMs = answer.receivedAt - since;
  assert.ok(tookMs <= limitMs, `${what} after ${tookMs} ms, not within ${limitMs}`);
  return tookMs;
}

/**
 * Nothing was confirmed from `faultAt` to `healedAt`, so every price is flagged five seconds after
 * the one, and none was before it was about four seconds old.
 */
function assertFlaggedInTime(answers, faultAt, healedAt) {
  const during = answers.filter((answer) => answer.sentAt >= faultAt && answer.receivedAt <= healedAt);
  const late = during.filter((answer) => answer.sentAt + CLIENT_CACHE_MS > faultAt + FRESH_FOR_MS);
  assert.ok(late.length > 50, `${late.length} answers`);
  for (const { body, sentAt } of late) {
    assert.equal(body.prices.length, 5);
    assert.equal(body.mode, 'frozen', `${sentAt - faultAt} ms after the fault`);
  }
  for (const answer of answers) {
    for (const price of answer.body.prices.filter((price) => price.stale)) {
      const ageMs = answer.receivedAt - price.confirmedAt;
      assert.ok(ageMs >= FLAGGED_FROM_MS, `${price.symbol} flagged at ${ageMs} ms`);
    }
  }
}

test('the whole path on a simulated market', { concurrency: 8 }, async (t) => {
  const cases = [];
  const path = (name, run) => cases.push(t.test(name, run));

  path('for 60 s at ten requests a second prices are live, young and in order, at 1.2 origin fetches a second', async (t) => {
    const all = await startAll(t);
    const { origin, probe } = all;
    const [first, from] = [probe.answers.length, Date.now()];
    const before = await origin.pricesServed();
    await until('60 s are over', 65_000, () => Date.now() >= from + 60_000);
    const fetches = (await origin.pricesServed()) - before;
    const seconds = (Date.now() - from) / 1000;
    const answers = (await concluded(t, all)).slice(first);
    assert.ok(answers.length >= 9 * 60, `${answers.length} answers`);
    assert.ok(answers.every(isLive), 'live throughout');
    const oldest = Math.max(...answers.map((answer) => answer.ageMs));
    const rate = fetches / seconds;
    t.diagnostic(`${answers.length} answers, oldest price ${oldest} ms, ${rate.toFixed(2)} origin fetches/s`);
    assert.ok(oldest <= 2500, `a price was ${oldest} ms old`);
    assert.ok(rate <= 1.2, `${rate} origin fetches a second`);
  });

  path('Kraken silent for 10 s: every price from Coinbase within 5 s, never stale on the way, and from Kraken again within 15 s', async (t) => {
    const all = await startAll(t);
    const { market, probe } = all;
    const silentAt = await market.fault({ target: 'kraken', fault: 'silence' });
    const overMs = await firstAfter(probe, silentAt, 5000, 'every price from Coinbase', isFallback);
    await until('10 s of silence', 11_000, () => Date.now() >= silentAt + 10_000);
    assert.ok(isFallback(probe.last));
    const clearedAt = await market.clear();
    const backMs = await firstAfter(probe, clearedAt, 15_000, 'every price from Kraken', isLive);
    const answers = await concluded(t, all);
    t.diagnostic(`fallback after ${overMs} ms, back after ${backMs} ms`);
    assert.ok(answers.every((answer) => !answer.body.stale), 'never stale on the way');
  });

  path('Kraken silent for 60 s: from Kraken again within 60 s', async (t) => {
    const all = await startAll(t);
    const { market, probe } = all;
    const silentAt = await market.fault({ target: 'kraken', fault: 'silence' });
    await firstAfter(probe, silentAt, 5000, 'every price from Coinbase', isFallback);
    await until('60 s of silence', 62_000, () => Date.now() >= silentAt + 60_000);
    const clearedAt = await market.clear();
    const backMs = await firstAfter(probe, clearedAt, 60_000, 'every price from Kraken', isLive);
    const answers = await concluded(t, all);
    t.diagnostic(`back after ${backMs} ms`);
    assert.ok(answers.every((answer) => !answer.body.stale), 'never stale on the way');
  });

  path('both exchanges silent: the last prices stay, flagged between four and five seconds, and recover', async (t) => {
    const all = await startAll(t, { everyMs: 25 });
    const { market, probe } = all;
    const silentAt = await market.fault({ target: 'both', fault: 'silence' });
    const frozenMs = await firstAfter(probe, silentAt, FRESH_FOR_MS, 'every price flagged', (answer) => answer.body.mode === 'frozen');
    await until('10 s of silence', 11_000, () => Date.now() >= silentAt + 10_000);
    const clearedAt = await market.clear();
    const backMs = await firstAfter(probe, clearedAt, 15_000, 'no price flagged', (answer) => !answer.body.stale);
    const answers = await concluded(t, all);
    t.diagnostic(`frozen after ${frozenMs} ms, fresh again after ${backMs} ms`);
    assertFlaggedInTime(answers, silentAt, clearedAt);
  });

  path('origin killed: the last prices stay, flagged between four and five seconds, and are fresh within 5 s of its return', async (t) => {
    const all = await startAll(t, { everyMs: 25 });
    const { origin, probe } = all;
    await origin.kill();
    const killedAt = Date.now();
    const frozenMs = await firstAfter(probe, killedAt, FRESH_FOR_MS, 'every price flagged', (answer) => answer.body.mode === 'frozen');
    await until('15 s without an origin', 16_000, () => Date.now() >= killedAt + 15_000);
    const backAt = Date.now();
    await origin.start();
    const readyAt = await origin.untilReady();
    const backMs = await firstAfter(probe, readyAt, 5000, 'fresh prices', (answer) => !answer.body.stale);
    const answers = await concluded(t, all);
    t.diagnostic(`frozen after ${frozenMs} ms, fresh ${backMs} ms after /ready`);
    assertFlaggedInTime(answers, killedAt, backAt);
    assert.ok(answers.filter(after(readyAt)).some((answer) => answer.body.epoch > answers[0].body.epoch), 'a new epoch');
  });

  path('one coin silent at Kraken: that coin alone comes from Coinbase', async (t) => {
    const all = await startAll(t);
    const { market, probe } = all;
    await market.fault({ target: 'kraken', fault: 'reject-symbol', symbol: 'SOL' });
    const faultAt = await market.fault({ target: 'kraken', fault: 'reset' });
    await firstAfter(probe, faultAt, 20_000, 'SOL from Coinbase, the others from Kraken', ({ body }) =>
      body.prices.every((price) => price.source === (price.symbol === 'SOL' ? 'coinbase' : 'kraken')),
    );
    const answers = await concluded(t, all);
    assert.ok(answers.every((answer) => !answer.body.stale), 'never stale on the way');
  });

  path('an exchange that tells nonsense, or the wrong time: nothing it made up is shown', async (t) => {
    const all = await startAll(t);
    const { market, origin, probe } = all;
    for (const fault of [
      { target: 'kraken', fault: 'spike' },
      { target: 'kraken', fault: 'decimal-shift' },
      { target: 'kraken', fault: 'bad-number' },
      { target: 'kraken', fault: 'garbage' },
      { target: 'kraken', fault: 'skewed-clock' },
      { target: 'coinbase', fault: 'spike' },
      { target: 'coinbase', fault: 'html' },
      { target: 'coinbase', fault: 'truncated-body' },
    ]) {
      const faultAt = await market.fault(fault);
      await until(`4 s of ${fault.fault}`, 5000, () => Date.now() >= faultAt + 4000);
      await market.clear();
    }
    const answers = await concluded(t, all);
    assert.ok(answers.every((answer) => !answer.body.stale), 'one good exchange is enough');
  });

  path('origin restarted while both exchanges are silent: even a cold edge gives the last prices, flagged', async (t) => {
    const { market, origin, probe } = await startAll(t);
    await market.fault({ target: 'both', fault: 'silence' });
    const known = await until('every price flagged', 8000, () => probe.last.body.mode === 'frozen' && probe.last);
    await probe.stop();
    await origin.stop();
    await origin.start();
    const edge = await startEdge(t, { origins: [origin] });
    const cold = read(await edge.ask());
    assertContract(cold.body);
    assert.equal(cold.body.mode, 'frozen');
    assert.ok(cold.body.epoch > known.body.epoch);
    const prices = ({ body }) => body.prices.map(({ symbol, price, source, confirmedAt }) => ({ symbol, price, source, confirmedAt }));
    assert.deepEqual(prices(cold), prices(known), 'with their true age');
    await market.clear();
    await until('fresh prices', 15_000, async () => !read(await edge.ask()).body.stale);
  });

  await Promise.all(cases);
});
