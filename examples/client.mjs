// A client that follows the published rule (docs/freshness.md), to copy from. Run it:
//
//   node examples/client.mjs http://127.0.0.1:8787

import { pathToFileURL } from 'node:url';

const FRESH_FOR_MS = 5_000;
const AIM_MS = 4_300;
const PAUSE_MIN_MS = 1_000;
const PAUSE_MAX_MS = 4_000;

/** How old a price is now. No clock of the phone is asked what time it is: only how long ago it asked. */
export function ageMs({ confirmedAt, pricecastNow, ageHeaderS, sinceSendingMs }) {
  const heldMs = ageHeaderS === null ? 0 : (ageHeaderS + 1) * 1000; // whole seconds, rounded down
  return Math.max(0, pricecastNow - confirmedAt) + heldMs + sinceSendingMs;
}

export const isFlagged = ({ ageMs: age, staleInBody }) => staleInBody || age >= FRESH_FOR_MS;

/** Until the next poll. `jitter` is random in [0, 1): phones that were woken together must not stay together. */
export function nextPollMs({ oldestAgeMs, jitter }) {
  const pauseMs = Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, AIM_MS - oldestAgeMs));
  return Math.floor(pauseMs * (0.9 + 0.2 * jitter));
}

/** Another data centre may be a refresh behind: what is older than what is shown is dropped. */
export function isTaken({ shown, offered }) {
  if (!shown || offered.epoch !== shown.epoch) return !shown || offered.epoch > shown.epoch;
  return offered.seq >= shown.seq;
}

/** Polls for ever and calls `show(prices)` at each answer and whenever a flag changes; returns a function that ends it. */
export function watch(url, show) {
  let held;
  let timer;
  let isOver = false;

  const aged = () => held.body.prices.map((price) => {
    const { pricecastNow, ageHeaderS, sentAt } = held;
    const age = ageMs({ confirmedAt: price.confirmedAt, pricecastNow, ageHeaderS, sinceSendingMs: performance.now() - sentAt });
    return { ...price, ageMs: age, isFlagged: isFlagged({ ageMs: age, staleInBody: price.stale }) };
  });

  async function poll() {
    const sentAt = performance.now();
    try {
      const response = await fetch(`${url}/api/v1/prices`, { cache: 'no-store', signal: AbortSignal.timeout(4_000) });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const body = await response.json();
      const age = response.headers.get('age');
      const pricecastNow = Number(response.headers.get('pricecast-now'));
      // Without a clock to compare with, a price would look young.
      if (!(pricecastNow > 0) || !/^\d*$/.test(age ?? '')) throw new Error('no usable Pricecast-Now or Age');
      if (isTaken({ shown: held?.body, offered: body })) {
        held = { body, sentAt, pricecastNow, ageHeaderS: age === null ? null : Number(age) };
      }
    } catch {
      // The last known prices stay on the screen and grow old there, flagged.
    }
    if (isOver) return;
    if (held) show(aged());
    const oldestAgeMs = held ? Math.max(...aged().map((price) => price.ageMs)) : Infinity;
    timer = setTimeout(poll, nextPollMs({ oldestAgeMs, jitter: Math.random() }));
  }

  // A price grows old without an answer too.
  const ticking = setInterval(() => held && show(aged()), 250);
  poll();
  return () => {
    isOver = true;
    clearTimeout(timer);
    clearInterval(ticking);
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const url = process.argv[2] ?? 'http://127.0.0.1:8787';
  watch(url, (prices) => {
    const texts = prices.map(({ symbol, price, ageMs: age, isFlagged: old }) => `${symbol} ${price}${old ? '?' : ''} (${(age / 1000).toFixed(1)} s)`);
    process.stdout.write(`\r${texts.join('  ')}   `);
  });
}
