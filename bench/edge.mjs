// The Worker: what an answer costs it, beside Workers that do less or do the same by hand, and
// beside the caches people put in front of an origin.

import { cleanup } from '../e2e/harness/cleanup.mjs';
import { request } from '../e2e/harness/http.mjs';
import { pause } from '../e2e/harness/until.mjs';
import { startCache, startSlow } from './helpers.mjs';
import { cpuUs } from './machine.mjs';
import { inRounds, median } from './rounds.mjs';
import { constantWorker, pricecastModules, startNginx, startVarnish, startWorker, swrModules } from './servers.mjs';
import { PRICES, costInRounds, firstAnswer, stage, startFeed } from './stage.mjs';

/** Under the deadline of a fetch, and so near the soft age that a copy is hardly ever young. */
const SLOW_MS = 800;
const LOOKS = 200;
const LOOK_EVERY_MS = 20;
const TRICKLE_MS = 200;

const worker = (t, name, vars) => startWorker(t, { name, modules: pricecastModules(), vars });

/** `{us: {name: [per round]}, revalidating: share}` */
export function measureEdge(how) {
  return stage(async (t) => {
    const { origin } = await startFeed(t);
    const edge = await worker(t, 'edge', { ORIGIN_URLS: origin.url });
    const slow = await worker(t, 'edge-slow', { ORIGIN_URLS: (await startSlow(t, origin, SLOW_MS)).url });
    const answer = await firstAnswer(edge.url + PRICES);
    const constant = await startWorker(t, constantWorker(answer));
    const swr = await startWorker(t, { name: 'swr', modules: swrModules(), vars: { ORIGIN: origin.url }, cache: await startCache(t) });
    const nginx = await startNginx(t, origin, answer);
    const varnish = await startVarnish(t, origin);
    for (const { name } of [!nginx && { name: 'nginx' }, !varnish && { name: 'varnish' }].filter(Boolean)) how.tell(`${name} is not installed (scripts/setup bench): left out`);

    const cases = [
      { name: 'constant', server: constant, path: '/' },
      { name: 'hit', server: edge },
      { name: 'not_modified', server: edge, polls: true },
      { name: 'revalidating', server: slow },
      { name: 'swr', server: swr },
      nginx && { name: 'nginx_cache', server: { ...nginx, url: nginx.cacheUrl } },
      varnish && { name: 'varnish', server: varnish },
    ].filter(Boolean).map(({ server, path = PRICES, ...rest }) => ({ ...rest, url: server.url + path, pid: server.pid }));
    // Between its rounds it would go cold, and be measured waiting.
    const trickle = setInterval(() => request(slow.url + PRICES).catch(() => {}), TRICKLE_MS);
    cleanup(t, () => clearInterval(trickle));
    const us = await costInRounds(cases, how);
    const revalidating = await shareRevalidating(slow.url + PRICES);
    how.tell(`${(revalidating * 100).toFixed(0)} % of the answers called "revalidating" are`);
    return { us, revalidating };
  });
}

async function shareRevalidating(url) {
  let found = 0;
  for (let look = 0; look < LOOKS; look++) {
    const { headers } = await request(url);
    if (headers['cache-status'].includes('revalidating')) found += 1;
    await pause(LOOK_EVERY_MS);
  }
  return found / LOOKS;
}

/** CPU from nothing to the first answer, above what workerd itself needs for a constant; milliseconds by start. */
export function measureStart({ rounds, tell }) {
  return stage(async (t) => {
    const { origin } = await startFeed(t);
    const ways = [
      constantWorker(await firstAnswer(origin.url + PRICES)),
      { name: 'edge', modules: pricecastModules(), vars: { ORIGIN_URLS: origin.url } },
    ];
    const us = await inRounds(ways, rounds, {
      measure: async (way) => {
        const server = await startWorker(t, way);
        await firstAnswer(server.url + PRICES);
        const used = cpuUs(server.pid);
        await server.stop();
        return used;
      },
    });
    const [constantMs, edgeMs] = ['constant', 'edge'].map((name) => median(us[name]) / 1000);
    tell(`${edgeMs.toFixed(0)} ms of CPU to the first answer; a constant Worker ${constantMs.toFixed(0)} ms`);
    return { constantMs, edgeMs };
  });
}
