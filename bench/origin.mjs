// The origin's answer of prices, beside a bare axum handler and nginx, both with a constant.

import { cpuPerRequestUs } from './load.mjs';
import { inRounds } from './rounds.mjs';
import { startBareAxum, startNginx } from './servers.mjs';
import { PRICES, firstAnswer, stage, startFeed, warm } from './stage.mjs';

export function measureOrigin({ rounds, seconds, tell }) {
  return stage(async (t) => {
    const origin = await startFeed(t);
    const answer = await firstAnswer(origin.url + PRICES);
    const axum = await startBareAxum(t, answer);
    const nginx = await startNginx(t, origin, answer);
    const cases = [
      { name: 'origin', url: origin.url + PRICES, pid: origin.pid },
      { name: 'axum', url: axum.url, pid: axum.pid },
      nginx && { name: 'nginx', url: nginx.constantUrl, pid: nginx.pid },
    ].filter(Boolean);
    await warm(cases, cpuPerRequestUs);
    const us = await inRounds(cases, rounds, {
      measure: (each) => cpuPerRequestUs(each, seconds),
      tell: (round, us) => tell(`round ${round} of ${rounds}: ${cases.map(({ name }) => `${name} ${us[name].at(-1).toFixed(1)}`).join(', ')} µs`),
    });
    return { us };
  });
}
