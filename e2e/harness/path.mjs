// The whole path from a simulated market to a client that asks all the time, at the edge and, where
// the origin stays up, at the origin too; with a fault proxy before an exchange, where asked for.

import assert from 'node:assert/strict';
import { startEdge } from './edge.mjs';
import { concluded } from './figures.mjs';
import { startMarket } from './market.mjs';
import { startOrigin } from './origin.mjs';
import { startProbe } from './probe.mjs';
import { startProxy } from './proxy.mjs';
import { until } from './until.mjs';

/** A busy machine is slower than the product; its own deadlines are asserted apart. */
const START_LIMIT_MS = 20_000;

/**
 * Starts everything and returns when the client has seen live prices, or the mode `first`. `program`
 * and `env` are the origin's (`env` may be made of the market), `args` and `faults` the market's; `via`
 * names the exchanges that are reached through a proxy; `isOriginProbed` puts a client on the origin.
 */
export async function startPath(t, { program, env, args, faults = [], via = [], first = 'live', isOriginProbed = false } = {}) {
  const market = await startMarket(t, args);
  for (const fault of faults) await market.fault(fault);
  const proxies = {};
  for (const venue of via) proxies[venue] = await startProxy(t, market);
  const { kraken, coinbase } = proxies;
  const origin = await startOrigin(
    t,
    market,
    {
      ...(kraken && { PRICECAST_KRAKEN__URL: `${kraken.url.replace('http', 'ws')}/v2` }),
      ...(coinbase && { PRICECAST_COINBASE__URL: coinbase.url }),
      ...(typeof env === 'function' ? await env(market) : env),
    },
    program,
  );
  const edge = await startEdge(t, { origins: [origin] });
  const probes = [edge, ...(isOriginProbed ? [origin] : [])].map((asked) => startProbe(t, asked));
  await until(`prices, ${first}`, START_LIMIT_MS, () => probes.every((probe) => probe.last?.body.mode === first));
  return { market, origin, edge, probe: probes[0], probes, ...proxies };
}

/** Ends a path: what must hold of every answer. Returns the edge's. `frozen` as for `concluded`. */
export const ended = (t, { market, probes }, { frozen, ...further } = {}) => concluded(t, { market, probes, frozen }, further);

export const of = (answer, symbol) => answer.body.prices.find((price) => price.symbol === symbol);
export const isAllFrom = (source) => (answer) => answer?.body.prices?.every((price) => price.source === source) ?? false;
export const isLive = (answer) => isAllFrom('kraken')(answer) && answer.body.mode === 'live';
export const isFallback = (answer) => isAllFrom('coinbase')(answer) && answer.body.mode === 'fallback';
export const isQuiet = ({ body }) => !body.stale;
export const isFrozen = (answer) => answer.body.mode === 'frozen';

/** Kraken again: the hold-down of 10 s, and room for a busy machine. */
export const BACK_MS = 15_000;
/** The same after a while of failures: the backoff first, at most 30 s of it. */
export const BACK_AFTER_BACKOFF_MS = 45_000;
/** Five seconds at the edge is what the product promises; the origin is that much quicker. */
export const TAKEOVER_MS = 5_000;

/** How long after `since` the probe first had an answer that `holds`; fails unless within `limitMs`. */
export async function within(limitMs, probe, since, what, holds) {
  const find = () => probe.answers.find((answer) => answer.receivedAt > since && holds(answer));
  const answer = await until(what, limitMs + 5000, find);
  const tookMs = answer.receivedAt - since;
  assert.ok(tookMs <= limitMs, `${what} after ${tookMs} ms, not within ${limitMs}`);
  return tookMs;
}

/** Waits until every price was confirmed after `since` (epoch ms); returns how long that took. */
export async function untilConfirmedAfter(probe, since, limitMs) {
  const isNew = (answer) => answer.body.prices?.every((price) => price.confirmedAt > since && !price.stale);
  const answer = await until('a price confirmed since', limitMs, () => probe.answers.findLast(isNew));
  return answer.receivedAt - since;
}

/** How many lines of a log match. */
export const linesWith = (log, pattern) => log.split('\n').filter((line) => pattern.test(line)).length;
