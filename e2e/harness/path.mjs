// The whole path: exchanges → (fault proxies) → origin → edge ← clients that ask all the time, at the edge
// and at the origin.

import assert from 'node:assert/strict';
import { PRICES, startEdge } from './edge.mjs';
import { concluded } from './figures.mjs';
import { request } from './http.mjs';
import { startMarket } from './market.mjs';
import { startOrigin } from './origin.mjs';
import { startProbe } from './probe.mjs';
import { startProxy } from './proxy.mjs';
import { until } from './until.mjs';

/** A busy machine is slower than the product; its own deadlines are asserted apart. */
const START_LIMIT_MS = 20_000;
/** An origin of a few symbols needs some 15 MB and 20 files, whatever has happened to it. */
const RESIDENT_KB_MAX = 100_000;
const FILES_MAX = 60;

/**
 * Starts it, and waits until the client at the edge sees the mode `first`. `args`: market-sim's;
 * `env`: the origin's, or what makes it of the market; `via`: venues (`kraken`, `coinbase`) that are reached through a proxy each.
 */
export async function startPath(t, { args, env, via = [], faults = [], first = 'live' } = {}) {
  const market = await startMarket(t, args);
  for (const fault of faults) await market.fault(fault);
  const proxies = {};
  for (const venue of via) proxies[venue] = await startProxy(t, market);
  const { kraken, coinbase } = proxies;
  const origin = await startOrigin(t, market, {
    ...(kraken && { PRICECAST_KRAKEN__URL: `${kraken.url.replace('http', 'ws')}/v2` }),
    ...(coinbase && { PRICECAST_COINBASE__URL: coinbase.url }),
    ...(typeof env === 'function' ? await env(market) : env),
  });
  const edge = await startEdge(t, { origins: [origin] });
  const probe = startProbe(t, edge);
  const originProbe = startProbe(t, { ask: () => request(`${origin.url}${PRICES}`) });
  await until(`prices, ${first}`, START_LIMIT_MS, () => probe.last?.body.mode === first && originProbe.last?.body.mode === first);
  return { market, origin, edge, probe, originProbe, ...proxies };
}

/** Ends a path: what must hold of every answer, and of the origin's process. Returns the edge's answers. */
export async function ended(t, { origin, market, probe, originProbe }, { frozen, ...further } = {}) {
  const { residentKb, files } = origin.usage();
  const answers = await concluded(t, { market, probes: [probe, originProbe], frozen }, further);
  assert.doesNotMatch(origin.log(), /panicked/);
  assert.ok(residentKb < RESIDENT_KB_MAX && files < FILES_MAX, `${residentKb} kB, ${files} files open`);
  return answers;
}

/** Lets time pass on purpose: a fault that lasts so long. */
export const lasts = (ms, since = Date.now()) => until(`${ms} ms`, ms + 2000, () => Date.now() >= since + ms);

export const of = (answer, symbol) => answer.body.prices.find((price) => price.symbol === symbol);
export const isAllFrom = (source) => (answer) => answer.body.prices.every((price) => price.source === source);
export const isLive = (answer) => answer.body.mode === 'live' && isAllFrom('kraken')(answer);
export const isFallback = (answer) => answer.body.mode === 'fallback' && isAllFrom('coinbase')(answer);
export const isFrozen = (answer) => answer.body.mode === 'frozen';

/** How long after `since` the probe first had an answer that `holds`; fails unless within `limitMs`. */
export async function within(limitMs, probe, since, what, holds) {
  const find = () => probe.answers.find((answer) => answer.receivedAt > since && holds(answer));
  const answer = await until(what, limitMs + 5000, find);
  const tookMs = answer.receivedAt - since;
  assert.ok(tookMs <= limitMs, `${what} after ${tookMs} ms, not within ${limitMs}`);
  return tookMs;
}
