// The whole path from a simulated market to a client that asks all the time, at the edge and, where
// the origin stays up, at the origin too.

import { startEdge } from './edge.mjs';
import { startMarket } from './market.mjs';
import { startOrigin } from './origin.mjs';
import { startProbe } from './probe.mjs';
import { until } from './until.mjs';

/**
 * Starts everything and returns when the client has seen live prices. `program` and `env` are the
 * origin's; `isOriginProbed` puts a client on it as well.
 */
export async function startPath(t, { program, env, isOriginProbed = false } = {}) {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market, env, program);
  const edge = await startEdge(t, { origins: [origin] });
  const probe = startProbe(t, edge);
  const probes = isOriginProbed ? [probe, startProbe(t, origin)] : [probe];
  await until('live prices', 15_000, () => isLive(probe.last));
  return { market, origin, edge, probe, probes };
}

const isAllFrom = (source) => (answer) => answer?.body.prices?.every((price) => price.source === source) ?? false;
export const isLive = (answer) => isAllFrom('kraken')(answer) && answer.body.mode === 'live';
export const isFallback = (answer) => isAllFrom('coinbase')(answer) && answer.body.mode === 'fallback';

/** Waits until every price was confirmed after `since` (epoch ms); returns how long that took. */
export async function untilConfirmedAfter(probe, since, limitMs) {
  const isNew = (answer) => answer.body.prices?.every((price) => price.confirmedAt > since && !price.stale);
  const answer = await until('a price confirmed since', limitMs, () => probe.answers.findLast(isNew));
  return answer.receivedAt - since;
}

/** How many lines of a log match. */
export const linesWith = (log, pattern) => log.split('\n').filter((line) => pattern.test(line)).length;
