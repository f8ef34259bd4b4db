// What exchanges do wrong, on real processes, judged by the simulated exchanges' own record.
// These cases take their time from the product's deadlines, so they run side by side.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BACK_AFTER_BACKOFF_MS, BACK_MS, TAKEOVER_MS, ended, isAllFrom, isFallback, isFrozen, isLive, isQuiet, of, startPath, within } from '../harness/path.mjs';
import { lasts, until } from '../harness/until.mjs';
import { usageOf } from '../harness/usage.mjs';

/** With clients at the edge and at the origin. */
const start = (t, options) => startPath(t, { isOriginProbed: true, ...options });

const allQuiet = (answers) => assert.ok(answers.every(isQuiet), 'never flagged');

/** Twenty coins, each ticking by itself. */
const TWENTY = Array.from({ length: 20 }, (_, i) => `COIN${i + 1}`);

test('what exchanges do wrong', { concurrency: 6 }, async (t) => {
  const cases = [];
  const fault = (name, run) => cases.push(t.test(name, run));

  fault('subscriptions acknowledged, heartbeats and no data: Coinbase serves within 5 s, and Kraken once it speaks', async (t) => {
    const all = await start(t);
    const { market, probe } = all;
    await market.fault({ target: 'kraken', fault: 'ack-but-no-data', heartbeats: true });
    const since = await market.fault({ target: 'kraken', fault: 'reset' });
    const takeover_ms = await within(TAKEOVER_MS, probe, since, 'every price from Coinbase', isFallback);
    await lasts(8000, since);
    assert.ok(isFallback(probe.last));
    const clearedAt = await market.clear();
    const back_ms = await within(BACK_AFTER_BACKOFF_MS, probe, clearedAt, 'every price from Kraken', isLive);
    allQuiet(await ended(t, all, { takeover_ms, back_ms }));
  });

  fault('one symbol of twenty frozen: it alone is served by Coinbase, a second after the rule is met at the latest', async (t) => {
    const all = await start(t, {
      args: ['--symbols', TWENTY.join(','), '--update-hz', '100'],
      env: { PRICECAST_SYMBOLS: TWENTY.join(',') },
    });
    const { market, probe, probes } = all;
    const [, originProbe] = probes;
    const since = await market.fault({ target: 'kraken', fault: 'frozen-symbol', symbol: 'COIN7' });
    await lasts(3000, since);
    // The coin moves on both venues, by more than the rule's 25 bp; Kraken alone does not tell.
    await market.fault({ target: 'both', fault: 'crash-on-both', symbol: 'COIN7', percent: -4 });
    const isCoinbase = (answer) => of(answer, 'COIN7').source === 'coinbase';
    const left_after_ms = await within(11_000, originProbe, since, 'COIN7 from Coinbase', isCoinbase);
    await within(14_000, probe, since, 'COIN7 from Coinbase', isCoinbase);
    await lasts(18_000, since);
    const answers = await ended(t, all, { frozen: { symbols: ['COIN7'], since }, left_after_ms });
    allQuiet(answers);
    for (const { body } of answers) {
      const others = body.prices.filter(({ symbol }) => symbol !== 'COIN7');
      assert.ok(others.every(({ source }) => source === 'kraken'), 'the other nineteen stay');
    }
  });

  for (const [state, reason] of [
    ['maintenance', 'maintenance'],
    ['cancel-only', 'cancel_only'],
    ['post-only', 'post_only'],
    ['unknown-system', 'unknown_state'],
  ]) {
    fault(`the engine in a state of ${state}: Kraken is said to be stale, Coinbase serves`, async (t) => {
      const all = await start(t);
      const { market, probe } = all;
      const since = await market.fault({ target: 'kraken', fault: state });
      const takeover_ms = await within(TAKEOVER_MS, probe, since, 'every price from Coinbase', isFallback);
      assert.deepEqual([probe.last.body.sources.kraken.status, probe.last.body.sources.kraken.reason], ['stale', reason]);
      await lasts(8000, since);
      const clearedAt = await market.clear();
      const back_ms = await within(BACK_MS, probe, clearedAt, 'every price from Kraken', isLive);
      allQuiet(await ended(t, all, { takeover_ms, back_ms }));
    });
  }

  fault('429 and a page of Cloudflare: Retry-After is honoured by both clients, nobody is hammered', async (t) => {
    const all = await start(t);
    const { market, probe } = all;
    await market.fault({ target: 'coinbase', fault: '429', retry_after_s: 8 });
    const since = await until('the first refusal', 3000, async () => {
      const { request_times: times } = (await market.stats()).coinbase;
      return times.length > 0 && times.at(-1);
    });
    await lasts(7000, since);
    const polls = (await market.stats()).coinbase.request_times.filter((at) => at > since + 1500 && at < since + 7000);
    assert.ok(polls.length === 0, `${polls.length} polls within the 8 s`);
    await market.clear();
    await until('Coinbase answers again', 15_000, () => probe.last.body.sources.coinbase.status === 'connected');

    await market.fault({ target: 'kraken', fault: 'cloudflare-1015', retry_after_s: 8 });
    const before = (await market.stats()).kraken.attempts;
    const bannedAt = await market.fault({ target: 'kraken', fault: 'reset' });
    const takeover_ms = await within(TAKEOVER_MS, probe, bannedAt, 'every price from Coinbase', isFallback);
    await lasts(7000, bannedAt);
    const attempts = (await market.stats()).kraken.attempts - before;
    assert.ok(attempts <= 2, `${attempts} attempts within the 8 s`);
    const clearedAt = await market.clear();
    const back_ms = await within(BACK_AFTER_BACKOFF_MS, probe, clearedAt, 'every price from Kraken', isLive);
    allQuiet(await ended(t, all, { takeover_ms, back_ms, attempts }));
  });

  fault('banned by both: the last prices stay, flagged, and the clients keep still', async (t) => {
    const all = await start(t);
    const { market, probe } = all;
    await market.fault({ target: 'both', fault: 'cloudflare-1015', retry_after_s: 12 });
    const before = (await market.stats()).kraken.attempts;
    const since = await market.fault({ target: 'kraken', fault: 'reset' });
    const flagged_ms = await within(7000, probe, since, 'every price flagged', isFrozen);
    await lasts(11_000, since);
    const { kraken, coinbase } = await market.stats();
    const upgrades = kraken.attempts - before;
    const polls = coinbase.request_times.filter((at) => at > since).length;
    assert.ok(upgrades >= 1 && upgrades <= 2 && polls <= 3, `${upgrades} upgrades, ${polls} polls`);
    const clearedAt = await market.clear();
    const fresh_ms = await within(20_000, probe, clearedAt, 'no price flagged', isQuiet);
    await ended(t, all, { flagged_ms, fresh_ms, upgrades, polls });
  });

  for (const [what, fault_] of [
    ['5xx', { fault: '5xx', status: 520 }],
    ['a page with status 200', { fault: 'html' }],
    ['an empty body', { fault: 'empty-body' }],
    ['a body of ten megabytes', { fault: 'huge-body' }],
    ['a gzip bomb', { fault: 'gzip-bomb' }],
    ['half a body', { fault: 'truncated-body' }],
    ['JSON called text', { fault: 'wrong-content-type' }],
    ['JSON of other shapes', { fault: 'garbage' }],
  ]) {
    fault(`Coinbase answers with ${what} while Kraken is down: no price is made of it, memory stays flat`, async (t) => {
      const all = await start(t);
      const { market, origin, probe } = all;
      const before = usageOf(origin).residentKb;
      await market.fault({ target: 'coinbase', ...fault_ });
      const since = await market.fault({ target: 'kraken', fault: 'silence' });
      const flagged_ms = await within(6500, probe, since, 'every price flagged', isFrozen);
      await lasts(12_000, since);
      const grown_kb = usageOf(origin).residentKb - before;
      assert.ok(grown_kb < 30_000, `${grown_kb} kB more than before`);
      assert.ok(isAllFrom('kraken')(probe.last) || probe.last.body.prices.every(({ stale }) => stale));
      const clearedAt = await market.clear();
      const fresh_ms = await within(TAKEOVER_MS, probe, clearedAt, 'live prices', isQuiet);
      await ended(t, all, { flagged_ms, fresh_ms, grown_kb });
    });
  }

  fault('frames of any size, emptiness or kind from Kraken: dropped, and Coinbase serves', async (t) => {
    const all = await start(t);
    const { market, origin, probe } = all;
    const before = usageOf(origin).residentKb;
    for (const what of ['huge-body', 'empty-body', 'truncated-body', 'garbage', 'wrong-content-type']) {
      const since = await market.fault({ target: 'kraken', fault: what });
      await lasts(5000, since);
      await market.clear();
    }
    await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
    const grown_kb = usageOf(origin).residentKb - before;
    assert.ok(grown_kb < 30_000, `${grown_kb} kB more than before`);
    allQuiet(await ended(t, all, { grown_kb }));
  });

  fault('each impossible number on Kraken: counted, its symbol from Coinbase, the others unharmed', async (t) => {
    const all = await start(t);
    const { market, origin, probe } = all;
    for (const number of ['zero', 'negative', 'nan', 'infinite', 'overflow', 'empty', 'null', 'absurd', 'wrong-type']) {
      const since = await market.fault({ target: 'kraken', fault: 'bad-number', symbol: 'BTC', number });
      await within(TAKEOVER_MS, probe, since, `BTC from Coinbase (${number})`, (answer) => of(answer, 'BTC').source === 'coinbase');
      await market.clear();
    }
    const refused = await origin.counted('quotes_refused', 'source="kraken"');
    assert.ok(refused > 0, 'counted');
    await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
    allQuiet(await ended(t, all, { refused }));
  });

  fault('a book crossed or one-sided changes nothing: the last trade is the price', async (t) => {
    const all = await start(t);
    const { market } = all;
    for (const what of ['crossed-book', 'one-sided-book']) {
      const since = await market.fault({ target: 'both', fault: what });
      await lasts(5000, since);
      await market.clear();
    }
    const answers = await ended(t, all);
    assert.ok(answers.every(isLive));
  });

  fault('every frame twice, and the one before it once more: the newest is the price', async (t) => {
    const all = await start(t);
    const { market } = all;
    const since = await market.fault({ target: 'kraken', fault: 'duplicate-frames' });
    await lasts(10_000, since);
    const answers = await ended(t, all);
    assert.ok(answers.every(isLive));
  });

  fault('fields, values and messages nobody knows yet: what is known counts as ever', async (t) => {
    const all = await start(t);
    const { market, probe } = all;
    await market.fault({ target: 'both', fault: 'novelties' });
    // A new connection and its snapshots too.
    const since = await market.fault({ target: 'kraken', fault: 'reset' });
    await within(BACK_MS, probe, since + 2000, 'every price from Kraken', isLive);
    await lasts(14_000, since);
    const { kraken, coinbase } = probe.last.body.sources;
    assert.deepEqual([kraken.status, coinbase.status], ['connected', 'connected']);
    await market.fault({ target: 'kraken', fault: 'silence' });
    await within(TAKEOVER_MS, probe, Date.now(), 'every price from Coinbase', isFallback);
    allQuiet(await ended(t, all));
  });

  fault('a coin renamed: the old name is flagged, then unavailable, the new one has its price at once', async (t) => {
    const all = await start(t, {
      args: ['--symbols', 'BTC,MATIC,POL'],
      env: { PRICECAST_SYMBOLS: 'BTC,MATIC,POL' },
      faults: [{ target: 'both', fault: 'reject-symbol', symbol: 'POL' }],
      first: 'degraded',
    });
    const { market, probe } = all;
    const unavailable = (...symbols) => ({ body }) => symbols.every((symbol) => body.unavailable.includes(symbol));
    assert.ok(unavailable('POL')(probe.last), 'never listed, never shown');
    await market.clear();
    const renamedAt = await market.fault({ target: 'both', fault: 'delist-symbol', symbol: 'MATIC' });
    // The exchange restarts its sockets with the new list.
    await market.fault({ target: 'kraken', fault: 'reset' });
    const listed_ms = await within(15_000, probe, renamedAt, 'a price of POL', (answer) => of(answer, 'POL')?.stale === false);
    const gone_ms = await within(68_000, probe, renamedAt, 'MATIC unavailable', unavailable('MATIC'));
    assert.ok(gone_ms >= 59_000, `${gone_ms} ms`);
    const answers = await ended(t, all, { listed_ms, gone_ms });
    const between = answers.filter(({ receivedAt }) => receivedAt > renamedAt + 7000 && receivedAt < renamedAt + gone_ms);
    assert.ok(between.length > 100 && between.every((answer) => of(answer, 'MATIC').stale), 'flagged until then');
    assert.ok(answers.every((answer) => of(answer, 'BTC').stale === false), 'BTC is unharmed');
  });

  await Promise.all(cases);
});
