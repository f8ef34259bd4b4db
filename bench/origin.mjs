// The origin: its answer of prices beside a bare axum handler and nginx, both with a constant, and
// what it takes of the machine while it runs.

import { request } from '../e2e/harness/http.mjs';
import { pause } from '../e2e/harness/until.mjs';
import { usageOf } from '../e2e/harness/usage.mjs';
import { cpuUs } from './machine.mjs';
import { startBareAxum, startNginx } from './servers.mjs';
import { PRICES, costInRounds, firstAnswer, stage, startFeed } from './stage.mjs';

const UPDATE_HZ = 1000;
const ASKED_HZ = 10;
const RUNNING_MS = 15_000;

export function measureOrigin(how) {
  return stage(async (t) => {
    const { origin } = await startFeed(t);
    const answer = await firstAnswer(origin.url + PRICES);
    const axum = await startBareAxum(t, answer);
    const nginx = await startNginx(t, origin, answer);
    const cases = [
      { name: 'origin', url: origin.url + PRICES, pid: origin.pid },
      { name: 'axum', url: axum.url, pid: axum.pid },
      nginx && { name: 'nginx', url: nginx.constantUrl, pid: nginx.pid },
    ].filter(Boolean);
    return { us: await costInRounds(cases, how) };
  });
}

/** The origin at a thousand Kraken frames and ten requests a second, as by ten data centres: CPU and memory. */
export function measureRunning({ tell }) {
  return stage(async (t) => {
    const { origin, market } = await startFeed(t, ['--update-hz', String(UPDATE_HZ)]);
    await firstAnswer(origin.url + PRICES);
    const [from, cpuBefore, sentBefore] = [performance.now(), cpuUs(origin.pid), (await market.stats()).kraken.sent];
    let residentMb = 0;
    while (performance.now() - from < RUNNING_MS) {
      const asked = performance.now();
      const { status } = await request(origin.url + PRICES);
      if (status !== 200) throw new Error(`the origin answered ${status}`);
      residentMb = Math.max(residentMb, usageOf(origin).residentKb / 1024);
      await pause(Math.max(0, 1000 / ASKED_HZ - (performance.now() - asked)));
    }
    const seconds = (performance.now() - from) / 1000;
    const framesPerS = ((await market.stats()).kraken.sent - sentBefore) / seconds;
    const share = (cpuUs(origin.pid) - cpuBefore) / 1e6 / seconds;
    tell(`${(share * 100).toFixed(1)} % of a core, ${residentMb.toFixed(1)} MB, at ${framesPerS.toFixed(0)} frames/s`);
    return { share, residentMb, framesPerS, askedPerS: ASKED_HZ };
  });
}
