import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { Child } from './child.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'pricecast-child-'));
after(() => rmSync(folder, { recursive: true }));

function startChild(script, name) {
  const logFile = path.join(folder, `${name}.log`);
  const child = new Child({ name, command: ['sh', '-c', script], env: {}, shown: false }, { logFile, root: folder });
  child.ended = new Promise((resolve) => (child.onExit = resolve));
  child.start();
  return child;
}

async function until(condition, what) {
  const end = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < end, `not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const printed = (file) => () => {
  try {
    return readFileSync(file, 'utf8').includes('\n');
  } catch {
    return false;
  }
};

/** Gone, or dead and only waiting for its parent to look. */
function isGone(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  return os.platform() === 'linux' && /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

test('what a child has started ends with it', async () => {
  const child = startChild('sleep 1000 & echo $!; wait', 'family');
  await until(printed(child.logFile), 'the grandchild told its pid');
  const grandchild = Number(readFileSync(child.logFile, 'utf8'));
  await child.stop(5000);
  await until(() => isGone(grandchild), 'the grandchild is gone');
});

test('what a killed child leaves behind is ended too, and the reason told', async () => {
  const child = startChild('sleep 1000 & echo $!; wait', 'orphan');
  await until(printed(child.logFile), 'the grandchild told its pid');
  const grandchild = Number(readFileSync(child.logFile, 'utf8'));
  process.kill(child.pid, 'SIGKILL');
  assert.equal(await child.ended, 'killed by SIGKILL');
  await until(() => isGone(grandchild), 'the grandchild is gone');
});

test('a child that ignores the request to end is made to', async () => {
  const child = startChild('trap "" TERM; echo deaf; while :; do sleep 0.1; done', 'deaf');
  await until(printed(child.logFile), 'it ignores SIGTERM');
  await child.stop(200);
  assert.equal(await child.ended, 'killed by SIGKILL');
});

test('a program that is not there is told as such', async () => {
  const logFile = path.join(folder, 'missing.log');
  const child = new Child({ name: 'missing', command: ['/no/such/program'], env: {} }, { logFile, root: folder });
  child.ended = new Promise((resolve) => (child.onExit = resolve));
  child.start();
  assert.match(await child.ended, /ENOENT/);
});

test('children end when the process that watches them is killed by kill -9', async () => {
  const pidFile = path.join(folder, 'guarded');
  const watcher = spawn(process.execPath, ['--input-type=module', '-e', `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    import { guard } from ${JSON.stringify(new URL('./guard.mjs', import.meta.url).href)};
    const child = spawn('sleep', ['1000'], { detached: true });
    guard()([child.pid]);
    writeFileSync(${JSON.stringify(pidFile)}, child.pid + '\\n');
  `]);
  await until(printed(pidFile), 'the watcher started its child');
  watcher.kill('SIGKILL');
  await until(() => isGone(Number(readFileSync(pidFile, 'utf8'))), 'the child is gone');
});
