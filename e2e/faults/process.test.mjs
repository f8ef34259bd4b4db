// The origin's own process in trouble: tasks that panic, threads that are blocked, signals. A
// client asks all the time and must never notice more than a flag.

import assert from 'node:assert/strict';
import test from 'node:test';
import { concluded } from '../harness/figures.mjs';
import { request } from '../harness/http.mjs';
import { binary } from '../harness/paths.mjs';
import { isLive, linesWith, startPath, untilConfirmedAfter } from '../harness/path.mjs';
import { pause, until } from '../harness/until.mjs';

const TASKS = ['ingest', 'kraken', 'coinbase', 'clock', 'state', 'metrics', 'http'];
/** Backoff after a second failure or two, and the hold-down of ten seconds. */
const LIVE_AGAIN_MS = 25_000;

/** The path with an origin that can be broken by its lever. */
async function startDrill(t) {
  const path = await startPath(t, { program: binary('examples/drill'), isOriginProbed: true });
  const [, lever] = path.origin.log().match(/lever is at (\S+)/);
  const pull = async (what) => {
    const { status } = await request(`${lever}/${what}`, { method: 'POST' });
    assert.equal(status, 204, what);
    return Date.now();
  };
  return { ...path, pull };
}

const restarts = (origin, task) => origin.metric(`pricecast_task_restarts_total{task="${task}"}`);
const stalls = (origin, stall) => origin.metric(`pricecast_runtime_stalls_total{stall="${stall}"}`);

async function untilRestarted(origin, task, times) {
  await until(`${task} is started again`, 40_000, async () => (await restarts(origin, task)) >= times);
}

test('the process in trouble', { concurrency: 3 }, async (t) => {
  const cases = [];
  const path = (name, run) => cases.push(t.test(name, run));

  path('whichever task panics, it is started again, counted and told, and no client notices', async (t) => {
    const { origin, pull, ...path } = await startDrill(t);
    const { probe } = path;
    let slowestMs = 0;
    for (const task of TASKS) {
      const struckAt = await pull(`panic/${task}`);
      await untilRestarted(origin, task, 1);
      const ready = await origin.ready();
      const warned = ready.warnings.filter(({ code }) => code === 'task_restarting').map(({ detail }) => detail);
      assert.ok(warned.some((detail) => detail.startsWith(`the task ${task} `)), `${task}: ${warned}`);
      slowestMs = Math.max(slowestMs, await untilConfirmedAfter(probe, struckAt, 10_000));
      await until(`live again after ${task}`, LIVE_AGAIN_MS, () => isLive(probe.last));
    }
    for (const task of TASKS) {
      assert.equal(await restarts(origin, task), 1, task);
      assert.equal(linesWith(origin.log(), new RegExp(`the task ${task} panicked`)), 1, 'one line each');
    }
    assert.equal(linesWith(origin.log(), /panicked at .*a drill: /), TASKS.length, 'each panic told once, with its words');
    const answers = await concluded(t, path, { panics: TASKS.length, confirmed_again_ms_max: slowestMs });
    assert.ok(answers.every(({ body }) => !body.stale), 'nothing had to be flagged');
  });

  path('an adapter that panics again and again is tried ever more slowly, and the other source serves', async (t) => {
    const { origin, pull, ...path } = await startDrill(t);
    const { probe } = path;
    for (let times = 1; times <= 4; times++) {
      await pull('panic/kraken');
      await untilRestarted(origin, 'kraken', times);
    }
    assert.equal((await origin.ask('/ready')).status, 200, 'prices are fresh');
    await until('live again', LIVE_AGAIN_MS, () => isLive(probe.last));
    const answers = await concluded(t, path, { panics: 4 });
    assert.ok(answers.every(({ body }) => !body.stale), 'nothing had to be flagged');
  });

  path('threads blocked for 2 s and for 7 s are told by the watchdog, and nothing old is passed off as fresh', async (t) => {
    const { origin, pull, ...path } = await startDrill(t);
    const { probe } = path;
    let recoveredMs = 0;
    for (const [times, ms] of [2000, 7000].entries()) {
      const blockedAt = await pull(`block/${ms}`);
      await until('the watchdog tells', ms + 5000, () => linesWith(origin.log(), /the runtime has stood still/) === times + 1);
      assert.ok(Date.now() < blockedAt + ms, 'while it lasts');
      await until('and its end', ms + 5000, () => linesWith(origin.log(), /the runtime runs again/) === times + 1);
      recoveredMs = await untilConfirmedAfter(probe, blockedAt + ms, 5000);
      await until('live again', LIVE_AGAIN_MS, () => isLive(probe.last));
    }
    assert.equal(await stalls(origin, 'runtime'), 2);
    assert.equal(await stalls(origin, 'process'), 0);
    const answers = await concluded(t, path, { blocked_ms: 7000, recovered_ms: recoveredMs });
    assert.ok(answers.some(({ body }) => body.mode === 'frozen'), 'after five seconds the edge flagged every price by itself');
  });

  path('a process that stood still for 7 s passes nothing off as fresh and has live prices within 5 s', async (t) => {
    const path = await startPath(t, { isOriginProbed: true });
    const { origin, probe } = path;
    origin.signal('SIGSTOP');
    await until('every price is flagged', 7000, () => probe.last.body.mode === 'frozen');
    await pause(2000); // what the exchanges have sent meanwhile is in its buffers
    origin.signal('SIGCONT');
    const recoveredMs = await untilConfirmedAfter(probe, Date.now(), 5000);
    await until('live again', LIVE_AGAIN_MS, () => isLive(probe.last));
    assert.equal(await stalls(origin, 'process'), 1);
    assert.equal(await stalls(origin, 'runtime'), 0, 'the runtime is not to blame');
    await concluded(t, path, { recovered_ms: recoveredMs });
  });

  path('SIGTERM costs no request that was accepted, and a restart costs the edge not one answer', async (t) => {
    const path = await startPath(t);
    const { origin, probe } = path;
    // Each on a connection of its own, ten at a time, until nobody listens any more.
    const outcomes = { answered: 0, refused: 0 };
    const failures = [];
    const ask = async () => {
      while (outcomes.refused < 20 && failures.length === 0) {
        try {
          const { status } = await origin.ask();
          if (status === 200) outcomes.answered += 1;
          else failures.push(status);
        } catch (error) {
          if (error.code === 'ECONNREFUSED') outcomes.refused += 1;
          else failures.push(error.code ?? error.message);
        }
      }
    };
    const asking = Promise.all(Array.from({ length: 10 }, ask));
    await until('requests are answered', 5000, () => outcomes.answered > 200);
    const stoppedAt = Date.now();
    await origin.stop();
    await asking;
    assert.deepEqual(failures, [], `${outcomes.answered} answered`);
    assert.ok(origin.log().includes('stopped: requests finished, last known prices saved'));
    await origin.start();
    const backMs = await untilConfirmedAfter(probe, stoppedAt, 10_000);
    await until('live again', LIVE_AGAIN_MS, () => isLive(probe.last));
    await concluded(t, path, { answered: outcomes.answered, failed: 0, restart_ms: backMs });
  });

  await Promise.all(cases);
});
