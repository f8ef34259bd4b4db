// What all parts need: a market, an origin, and an end that comes whatever happens.

import { startMarket } from '../e2e/harness/market.mjs';
import { startOrigin } from '../e2e/harness/origin.mjs';
import { request } from '../e2e/harness/http.mjs';
import { binary } from '../e2e/harness/paths.mjs';
import { until } from '../e2e/harness/until.mjs';
import { cpuPerRequestUs } from './load.mjs';
import { pinned } from './machine.mjs';
import { inRounds } from './rounds.mjs';

export const PRICES = '/api/v1/prices';
const WARM_UP_S = 1;

/** Runs `act(t)`; what was opened under `t` is closed after it. */
export async function stage(act) {
  const closes = [];
  try {
    return await act({ after: (close) => closes.push(close) });
  } finally {
    for (const close of closes.reverse()) await close();
  }
}

/** An origin with prices, on the core that is measured, and its market; `args` are the market's. */
export async function startFeed(t, args) {
  const market = await startMarket(t, args);
  return { market, origin: await startOrigin(t, market, {}, pinned([binary('pricecast-origin')])) };
}

/** The answer of a server that has prices. */
export async function firstAnswer(url) {
  return until('prices', 10_000, async () => {
    const answer = await request(url);
    return answer.status === 200 && answer;
  });
}

/** CPU time of an answer of each of `cases`, warm, in rounds: microseconds by name, one number per round. */
export async function costInRounds(cases, { rounds, seconds, tell }) {
  for (const each of cases) await cpuPerRequestUs(each, WARM_UP_S);
  return inRounds(cases, rounds, {
    measure: (each) => cpuPerRequestUs(each, seconds),
    tell: (round, us) => tell(`round ${round} of ${rounds}: ${cases.map(({ name }) => `${name} ${us[name].at(-1).toFixed(1)}`).join(', ')} µs`),
  });
}
