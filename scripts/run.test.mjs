// `make run` as a whole, with the real programs, on ports of its own.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { isFree } from './run/wait.mjs';

const script = fileURLToPath(new URL('./run.mjs', import.meta.url));
/** No work where `scripts/test` has just built the same. */
const BUILD_LIMIT_MS = 600_000;
const READY_LIMIT_MS = 30_000;

function listen(port = 0) {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function freePorts() {
  const names = ['EDGE_PORT', 'ORIGIN_PORT', 'SIM_PORT', 'METRICS_PORT'];
  const servers = await Promise.all(names.map(() => listen()));
  const ports = Object.fromEntries(names.map((name, i) => [name, String(servers[i].address().port)]));
  for (const server of servers) server.close();
  return ports;
}

/** Starts it and collects what it prints. */
function start(ports) {
  const child = spawn(process.execPath, [script], { env: { ...process.env, ...ports }, stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { child, output: '', ended: new Promise((resolve) => child.once('exit', resolve)) };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (run.output += text));
  return run;
}

async function until(condition, limitMs, what, run) {
  const end = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `not within ${limitMs / 1000} s: ${what}; it printed:\n${run.output}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const pidsOf = (run, name) => [...run.output.matchAll(new RegExp(`run: ${name} started, pid (\\d+)`, 'g'))].map((m) => Number(m[1]));
const answers = (url) => fetch(url).then((response) => response.ok, () => false);

test('one command starts everything, brings back a killed origin after 10 s, and leaves nothing behind', async (t) => {
  const ports = await freePorts();
  const run = start(ports);
  t.after(() => run.child.kill('SIGTERM'));
  const { EDGE_PORT, ORIGIN_PORT } = ports;
  const [origin, edge] = [`http://127.0.0.1:${ORIGIN_PORT}`, `http://127.0.0.1:${EDGE_PORT}`];

  await until(() => run.output.includes('run: build the Worker:'), BUILD_LIMIT_MS, 'the build', run);
  const ready = await until(() => run.output.match(/^run: ready .*$/m)?.[0], READY_LIMIT_MS, 'the ready line', run);
  assert.ok(ready.includes(edge) && ready.includes(origin) && ready.includes(`127.0.0.1:${ports.SIM_PORT}/control`), ready);
  await until(() => run.output.includes('*** SIMULATED MARKET'), 1000, 'the loud line', run);
  const body = await (await fetch(`${edge}/api/v1/prices`)).json();
  assert.equal(body.prices.length, 5);

  const [pid] = pidsOf(run, 'origin');
  const killedAt = Date.now();
  process.kill(pid, 'SIGKILL');
  await until(() => run.output.includes(`origin (pid ${pid}) died`), 2000, 'the death is reported', run);
  assert.equal(await answers(`${edge}/api/v1/prices`), true, 'the edge goes on answering');
  await until(() => answers(`${origin}/ready`), 20_000, 'the origin is back', run);
  assert.ok(Date.now() - killedAt >= 10_000, 'it stayed down for 10 s');
  assert.equal(pidsOf(run, 'origin').length, 2);

  run.child.kill('SIGTERM');
  assert.equal(await run.ended, 0, run.output);
  for (const name of ['market-sim', 'origin', 'edge']) {
    for (const group of pidsOf(run, name)) {
      await until(() => !signalled(group), 2000, `nothing of ${name} (process group ${group}) is left`, run);
    }
  }
  for (const port of Object.values(ports)) assert.equal(await isFree(Number(port)), true, `port ${port} is free again`);
});

function signalled(group) {
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

test('a port in use is told with the variable that changes it', async (t) => {
  const ports = await freePorts();
  const server = await listen(Number(ports.SIM_PORT));
  t.after(() => server.close());
  const run = start(ports);
  assert.equal(await run.ended, 1);
  assert.match(run.output, new RegExp(`port ${ports.SIM_PORT} is in use.*SIM_PORT=`));
});
