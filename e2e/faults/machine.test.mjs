// A machine that gives the origin too little: open files, processor time, disk, a steady clock.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import test from 'node:test';
import { cleanup } from '../harness/cleanup.mjs';
import { concluded } from '../harness/figures.mjs';
import { Book, startFlood } from '../harness/flood.mjs';
import { binary, freshFolder } from '../harness/paths.mjs';
import { isFallback, isLive, linesWith, startPath } from '../harness/path.mjs';
import { pause, until } from '../harness/until.mjs';

const ORIGIN = binary('pricecast-origin');
const HOUR_S = 3600;
/** Idle connections held against us, several times what is served. */
const FLOOD = 200;
const IS_LINUX = process.platform === 'linux';
const IS_ROOT = process.getuid?.() === 0;

const openFiles = ({ pid }) => readdirSync(`/proc/${pid}/fd`).length;
const memoryKb = ({ pid }) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]);
const run = (command, ...args) => execFileSync(command, args, { stdio: 'pipe' }).toString();

test('a machine that gives too little', { concurrency: 3, skip: !IS_LINUX && 'Linux only' }, async (t) => {
  const cases = [];
  const its = (name, options, run) => cases.push(t.test(name, options, run));

  its('with 64 open files a flood of connections waits or is cut off; exchanges and disk are served on, and memory stays flat', {}, async (t) => {
    const path = await startPath(t, { program: ['sh', '-c', 'ulimit -n 64; exec "$0"', ORIGIN] });
    const { origin, probe } = path;
    assert.match(origin.log(), /only \d+ connections are served at a time/);
    const before = { files: openFiles(origin), kb: memoryKb(origin), publications: await origin.metric('pricecast_publications_total') };

    const flood = new Flood(origin.url, FLOOD);
    cleanup(t, () => flood.end());
    let [filesMax, kbMax] = [0, 0];
    const floodedAt = Date.now();
    // Long enough for a write of the last known prices (every ten seconds).
    await until('12 s of flood', 15_000, () => {
      filesMax = Math.max(filesMax, openFiles(origin));
      kbMax = Math.max(kbMax, memoryKb(origin));
      return Date.now() > floodedAt + 12_000;
    });
    assert.ok(flood.opened >= FLOOD, `${flood.opened} connections were made`);
    assert.ok(filesMax > before.files && filesMax <= 64, `${filesMax} files`);
    assert.ok(kbMax < before.kb + 16_384, `${before.kb} kB before, ${kbMax} kB at most`);
    for (const source of ['kraken', 'coinbase']) {
      assert.equal(await origin.metric(`pricecast_source_up{source="${source}"}`), 1, source);
    }
    assert.ok((await origin.metric('pricecast_publications_total')) > before.publications + 20);
    assert.equal(await origin.metric('pricecast_state_writes_total{outcome="failed"}'), 0);
    assert.ok((await origin.metric('pricecast_state_writes_total{outcome="ok"}')) >= 2);

    // The room above was kept free on purpose; now there is none: accept itself fails.
    run('prlimit', '--pid', `${origin.pid}`, `--nofile=${before.files + 4}:64`);
    await until('accept fails', 10_000, () => linesWith(origin.log(), /accept a connection: .*\(os error 24\)/) > 0);
    await pause(2000); // and goes on failing
    const told = linesWith(origin.log(), /accept a connection/);
    assert.ok(told <= 3, `one line for a change, not one each: ${told}`);
    run('prlimit', '--pid', `${origin.pid}`, '--nofile=64:64');
    const endedAt = Date.now();
    await flood.end();
    const answer = await until('it accepts again', 5000, () => origin.ask());
    assert.equal(answer.status, 200);
    await until('live again', 15_000, () => isLive(probe.last));
    await until('no file is left open', 15_000, () => openFiles(origin) <= before.files + 2);
    const grown = memoryKb(origin) - before.kb;
    await concluded(t, path, { connections: flood.opened, files_max: filesMax, grown_kb_max: Math.max(0, kbMax - before.kb), grown_kb: Math.max(0, grown), recovered_ms: answer.receivedAt - endedAt });
  });

  its('with a tenth of a processor every price is true, and live again when it is over', {}, async (t) => {
    const path = await startPath(t, { isOriginProbed: true });
    const { origin, probe } = path;
    const lift = throttle(t, origin.pid);
    const from = Date.now();
    // Clients that want more than a tenth, so that it has to wait all the time.
    const book = new Book();
    const face = { url: origin.url, host: new URL(origin.url).host };
    const flood = startFlood(t, face, { connections: 8, depth: 8, perSecond: 20_000, seen: (answer, _, line) => book.enter(answer, line) });
    await until('12 s of it', 13_000, () => Date.now() > from + 12_000);
    await flood.stop();
    const throttled = lift();
    await until('live again', 15_000, () => isLive(probe.last));
    path.probes.push(book);
    const answers = await concluded(t, path, { throttled_of_120: throttled, answered: book.probed });
    assert.ok(throttled > 0, 'it had to wait; how often depends on what the machine has to give');
    const flagged = answers.filter(({ sentAt, body }) => sentAt >= from && body.stale).length;
    t.diagnostic(`${flagged} of ${answers.length} answers were flagged`);
  });

  its('a full and a read-only disk are served around, told once, shown, and forgotten when they are over', { skip: !IS_ROOT && 'mounting a disk needs root' }, async (t) => {
    const disk = freshFolder(t, 'disk');
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk);
    cleanup(t, () => run('umount', '--lazy', disk));
    const path = await startPath(t, { isOriginProbed: true, env: { PRICECAST_STATE_DIR: disk } });
    const { origin, probe } = path;
    const writes = (outcome) => origin.metric(`pricecast_state_writes_total{outcome="${outcome}"}`);
    const untilWritten = (outcome, times) => until(`${times} writes: ${outcome}`, 25_000, async () => (await writes(outcome)) >= times);
    const warnings = async () => (await origin.ready()).warnings.map(({ code }) => code);

    await untilWritten('ok', 1);
    fill(`${disk}/filler`);
    await untilWritten('failed', 1);
    assert.ok((await warnings()).includes('state_dir_unwritable'));
    assert.equal((await origin.ask('/ready')).status, 200, 'prices are fresh all the same');
    rmSync(`${disk}/filler`);
    run('mount', '-o', 'remount,ro', disk);
    await untilWritten('failed', 2);
    run('mount', '-o', 'remount,rw', disk);
    await untilWritten('ok', 2);
    assert.ok(!(await warnings()).includes('state_dir_unwritable'));
    assert.equal(linesWith(origin.log(), /write last known prices to .*serving goes on/), 1);
    assert.equal(linesWith(origin.log(), /last known prices are written to .* again/), 1);
    assert.ok(isLive(probe.last));
    const answers = await concluded(t, path, { failed_writes: await writes('failed') });
    assert.ok(answers.every(isLive), 'throughout');
  });

  its('a log that nobody reads any more costs nothing but the log', {}, async (t) => {
    // Two lines are read; every write after them fails.
    const path = await startPath(t, { isOriginProbed: true, program: ['sh', '-c', '"$0" 2>&1 | head -n 2', ORIGIN] });
    const { market, origin, probe } = path;
    await market.fault({ target: 'kraken', fault: 'silence' });
    await until('there is much to tell', 10_000, () => isFallback(probe.last));
    await market.clear();
    await until('live again', 30_000, () => isLive(probe.last));
    assert.ok((await origin.metric('pricecast_transitions_total{kind="failback"}')) >= 5);
    const answers = await concluded(t, path);
    assert.ok(answers.every(({ body }) => !body.stale), 'nothing had to be flagged');
  });

  const lib = faketime();
  its('a wall clock set an hour ahead and an hour back changes no age', { skip: !lib && 'libfaketime is not installed (scripts/setup faults)' }, async (t) => {
    const offset = path.join(freshFolder(t, 'faketime'), 'offset');
    const set = (seconds) => writeFileSync(offset, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
    set(0);
    const env = { LD_PRELOAD: lib, FAKETIME_TIMESTAMP_FILE: offset, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    const all = await startPath(t, { isOriginProbed: true, env });
    const { origin, probe } = all;
    const from = Date.now();
    for (const [i, hours] of [1, -1].entries()) {
      set(hours * HOUR_S);
      const steppedAt = Date.now();
      await until('the step is seen', 5000, () => linesWith(origin.log(), /the wall clock is -?\d+ ms ahead/) === i + 1);
      const aheadS = await origin.metric('pricecast_clock_ahead_seconds');
      assert.ok(Math.abs(aheadS - hours * HOUR_S) < 5, `${aheadS} s ahead`);
      await until('6 s on', 7000, () => Date.now() > steppedAt + 6000);
      // Back to the truth, or the next step would not be news.
      set(0);
      await until('the clocks agree', 5000, async () => Math.abs(await origin.metric('pricecast_clock_ahead_seconds')) < 0.9);
      await pause(1100);
    }
    const answers = (await concluded(t, all)).filter(({ sentAt }) => sentAt >= from);
    assert.ok(answers.length > 100 && answers.every(isLive), 'neither false fresh nor false stale');
  });

  await Promise.all(cases);
});

/** Holds `count` connections to `url` that never ask anything, and makes new ones for those that end. */
class Flood {
  #sockets = new Set();
  #isEnded = false;
  opened = 0;

  constructor(url, count) {
    const { hostname, port } = new URL(url);
    const open = () => {
      if (this.#isEnded) return;
      const socket = net.connect({ host: hostname, port });
      this.#sockets.add(socket);
      socket.once('connect', () => (this.opened += 1));
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        setTimeout(open, 20);
      });
      socket.resume();
    };
    for (let i = 0; i < count; i++) open();
  }

  async end() {
    this.#isEnded = true;
    for (const socket of this.#sockets) socket.destroy();
    await until('the flood is over', 5000, () => this.#sockets.size === 0);
  }
}

function fill(file) {
  try {
    for (let size = 65_536; size > 0; size -= 4096) writeFileSync(file, Buffer.alloc(4096), { flag: 'a' });
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error;
    return;
  }
  assert.fail('the disk is not full');
}

/** A tenth of one processor for `pid`, by a control group where one can be made, else by signals. Returns what ends it, and says in how many periods of 100 ms it had to wait. */
function throttle(t, pid) {
  return byGroup(t, pid) ?? bySignals(t, pid);
}

function byGroup(t, pid) {
  for (const [parent, file, quota] of [
    ['/sys/fs/cgroup/cpu', 'cpu.cfs_quota_us', '10000'],
    ['/sys/fs/cgroup', 'cpu.max', '10000 100000'],
  ]) {
    const group = path.join(parent, `pricecast-faults-${pid}`);
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    const lift = () => {
      if (!existsSync(group)) return undefined;
      const throttled = readFileSync(path.join(group, 'cpu.stat'), 'utf8').match(/nr_throttled (\d+)/);
      if (existsSync(`/proc/${pid}`)) writeFileSync(path.join(parent, 'cgroup.procs'), `${pid}`);
      rmdirSync(group);
      return Number(throttled?.[1]);
    };
    cleanup(t, lift);
    try {
      writeFileSync(path.join(group, file), quota);
      writeFileSync(path.join(group, 'cgroup.procs'), `${pid}`);
      t.diagnostic(`by the control group ${group}`);
      return lift;
    } catch {
      lift();
    }
  }
  return undefined;
}

/** 10 ms of every 100. */
function bySignals(t, pid) {
  const signal = (name) => process.kill(pid, name);
  const timer = setInterval(() => {
    signal('SIGCONT');
    setTimeout(() => timer.hasRef() && signal('SIGSTOP'), 10);
  }, 100);
  const lift = () => {
    clearInterval(timer);
    timer.unref();
    signal('SIGCONT');
    return 120;
  };
  cleanup(t, lift);
  t.diagnostic('by signals');
  return lift;
}

/** Debian's place for it, on any architecture. */
function faketime() {
  const libraries = ['/usr/lib', '/usr/lib64'].filter(existsSync).flatMap((folder) => [folder, ...readdirSync(folder).map((name) => path.join(folder, name))]);
  return libraries.map((folder) => path.join(folder, 'faketime', 'libfaketimeMT.so.1')).find(existsSync);
}
