// The first promise, by numbers: a hundred thousand answers, taken as fast as they come while one
// thing after another breaks, and each judged by the simulated exchanges' own record.

import assert from 'node:assert/strict';
import test from 'node:test';
import { startEdge } from '../harness/edge.mjs';
import { concluded } from '../harness/figures.mjs';
import { Book, startFlood } from '../harness/flood.mjs';
import { startMarket } from '../harness/market.mjs';
import { startOrigin } from '../harness/origin.mjs';
import { until } from '../harness/until.mjs';

const ANSWERS = 100_000;
const LIMIT_MS = 240_000;

/** What breaks, and for how long. Kraken alone, Coinbase alone, both; lies, silence and noise. */
const TROUBLES = [
  [{ target: 'kraken', fault: 'silence' }, 6000],
  [{ target: 'coinbase', fault: '5xx' }, 3000],
  [{ target: 'kraken', fault: 'spike' }, 4000],
  [{ target: 'both', fault: 'silence' }, 7000],
  [{ target: 'kraken', fault: 'decimal-shift' }, 4000],
  [{ target: 'kraken', fault: 'flap' }, 4000],
  [{ target: 'kraken', fault: 'slow', ms: 1500 }, 5000],
  [{ target: 'kraken', fault: 'slow', ms: 4000 }, 6000],
  [{ target: 'both', fault: 'half-open' }, 7000],
];

test('a hundred thousand answers through one fault after another hold no lie', { timeout: LIMIT_MS + 60_000 }, async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  const edge = await startEdge(t, { origins: [origin] });
  const book = new Book();
  const flood = startFlood(t, edge, { depth: 1, perSecond: 1500, seen: (answer, _, line) => book.enter(answer, line) });
  await until('live prices', 10_000, () => book.last?.mode === 'live');

  const seen = new Set();
  const look = () => flood.answered && seen.add(book.last.mode);
  const end = Date.now() + LIMIT_MS;
  for (let i = 0; i < TROUBLES.length || book.probed < ANSWERS; i++) {
    assert.ok(Date.now() < end, `${book.probed} answers in ${LIMIT_MS / 1000} s`);
    const [fault, lastsMs] = TROUBLES[i % TROUBLES.length];
    const faultAt = await market.fault(fault);
    await until(`${lastsMs} ms of ${fault.fault}`, lastsMs + 1000, () => look() && Date.now() >= faultAt + lastsMs);
    await market.clear();
    await until('no price is flagged', 20_000, () => look() && !book.last.stale);
    if (i === 2) {
      await origin.kill();
      await until('every price is flagged', 8000, () => book.last.mode === 'frozen');
      await origin.start();
      await until('no price is flagged', 10_000, () => !book.last.stale);
    }
  }

  await flood.stop();
  await concluded(t, { market, probe: book }, { probed: book.probed });
  // A run in which nothing went wrong would prove nothing.
  for (const mode of ['live', 'fallback', 'frozen']) assert.ok(seen.has(mode), `${mode} was never seen: ${[...seen]}`);
});
