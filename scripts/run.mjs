// `make run`: builds and starts market-sim, origin and edge, and keeps them running until told to stop.
//
//   EDGE_PORT ORIGIN_PORT SIM_PORT METRICS_PORT   ports (8787 8080 9900 9090)
//   ORIGINS=3                                     that many origins (1 to 3) on ORIGIN_PORT, +1, +2 (METRICS_PORT too),
//                                                 and the Redis they share on REDIS_PORT (6390)
//   MARKET=live                                   the real exchanges instead of market-sim
//   SIM_ARGS="--replay FILE --speed 60"           passed on to market-sim

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { root } from './places.mjs';
import { Child } from './run/child.mjs';
import { guard } from './run/guard.mjs';
import { plan } from './run/plan.mjs';
import { answers, isFree, isInstalled } from './run/wait.mjs';

const RESTART_AFTER_MS = 10_000;
const READY_LIMIT_MS = 60_000;
/** The origin drains for up to 10 s (http.drain). */
const STOP_PATIENCE_MS = 12_000;

const startedAt = Date.now();
const elapsed = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;
const say = (text) => console.log(`run: ${text}`);

const stopping = new AbortController();
const children = [];
const timers = new Set();
let updateGuard = () => {};

function guardChildren() {
  updateGuard(children.map((child) => child.pid).filter(Boolean));
}

/** Ends everything and leaves; a second call does not wait for anybody. */
async function stop(exitCode, why) {
  if (stopping.signal.aborted) {
    for (const child of children) child.signal('SIGKILL');
    process.exit(exitCode);
  }
  stopping.abort();
  for (const timer of timers) clearTimeout(timer);
  if (why) say(why);
  // What others lean on last: an origin that drains should not report that its market has gone.
  const isLeantOn = (child) => child.name === 'market-sim' || child.name === 'redis';
  for (const group of [children.filter((c) => !isLeantOn(c)), children.filter(isLeantOn)]) {
    await Promise.all(group.map((child) => child.stop(STOP_PATIENCE_MS)));
  }
  updateGuard([]);
  if (children.length > 0) say('stopped, no child is left');
  process.exit(exitCode);
}

/** A child that ended: reported, and started again after a while. */
function supervise(child) {
  return (reason) => {
    if (stopping.signal.aborted) return;
    if (!child.wasReady) {
      say(`${child.name} did not start: ${reason}${child.spec.shown ? '' : `. The end of ${child.logFile}:\n${child.tail()}`}`);
      stop(1);
      return;
    }
    say(`${child.name} (pid ${child.pid}) died: ${reason}; starting it again in ${RESTART_AFTER_MS / 1000} s`);
    const timer = setTimeout(async () => {
      timers.delete(timer);
      const since = Date.now();
      begin(child);
      const ready = await answers(child.spec.ready, { limitMs: READY_LIMIT_MS, signal: stopping.signal }).then(
        () => `ready again after ${elapsed(since)}`,
        (error) => error.message,
      );
      if (!stopping.signal.aborted) say(`${child.name}: ${ready}`);
    }, RESTART_AFTER_MS);
    timers.add(timer);
  };
}

function begin(child) {
  child.start();
  guardChildren();
  if (child.pid) say(`${child.name} started, pid ${child.pid}, log ${path.relative(root, child.logFile)}`);
}

async function build({ name, command }, folder) {
  const since = Date.now();
  const child = new Child({ name, command, env: {}, shown: true }, { logFile: path.join(folder, 'build.log'), root });
  const reason = await new Promise((resolve) => {
    child.onExit = resolve;
    child.start();
    children.push(child);
    guardChildren();
  });
  children.splice(children.indexOf(child), 1);
  stopping.signal.throwIfAborted();
  if (reason !== 'exit code 0') throw new Error(`${name} failed (${reason}): the messages above say why`);
  say(`${name}: ${elapsed(since)}`);
}

/** A folder as after a fresh clone, but for what must outlive a run. */
function freshFolder(folder, keep) {
  mkdirSync(folder, { recursive: true });
  for (const entry of readdirSync(folder)) {
    if (!keep.includes(entry)) rmSync(path.join(folder, entry), { recursive: true, force: true });
  }
}

async function main() {
  const run = plan(process.env, root);
  for (const program of run.needs) {
    if (!isInstalled(program, process.env)) {
      throw new Error(`${program} is not installed, and several origins share one: \`apt-get install redis-server\` or \`brew install redis\``);
    }
  }
  for (const { name, port } of run.listens) {
    if (!(await isFree(port))) throw new Error(`port ${port} is in use; choose another: ${name}=${port + 1} make run`);
  }
  freshFolder(run.folder, run.keep);
  updateGuard = guard();
  for (const step of run.builds) await build(step, run.folder);

  const ready = async (child) => {
    await answers(child.spec.ready, { limitMs: READY_LIMIT_MS, signal: stopping.signal });
    child.wasReady = true;
  };
  const waits = [];
  for (const spec of run.children) {
    const child = new Child(spec, { logFile: path.join(run.folder, `${spec.name}.log`), root });
    child.onExit = supervise(child);
    children.push(child);
    begin(child);
    const wait = ready(child);
    // The origin asks these at once; the edge asks nobody before its first request.
    if (spec.name === 'market-sim' || spec.name === 'redis') await wait;
    waits.push(wait);
  }
  await Promise.all(waits);
  await answers(run.urls.prices, { limitMs: READY_LIMIT_MS, signal: stopping.signal });

  const { prices, origins, control } = run.urls;
  say(`ready after ${elapsed(startedAt)}: edge ${prices} · origin ${origins.join(' ')}${control ? ` · control ${control}` : ''}`);
  if (!run.live) {
    say('*** SIMULATED MARKET: these prices are made up. The real exchanges: make run MARKET=live ***');
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => stop(0, `${signal}: stopping`));
process.stdout.on('error', () => stop(1)); // whoever read our output has gone

main().catch((error) => {
  if (stopping.signal.aborted) return;
  say(`error: ${error.message}`);
  stop(1);
});
