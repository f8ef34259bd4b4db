// What the machine tells of the processes on it, and how they are kept apart.

import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import os from 'node:os';

const CPUS = os.availableParallelism();
const hasTaskset = CPUS > 1 && spawnSync('taskset', ['-V']).status === 0;

/** `command` on the core that is measured. */
export const pinned = (command) => (hasTaskset ? ['taskset', '-c', '0', ...command] : command);
/** `command` on the other cores. */
export const aside = (command) => (hasTaskset ? ['taskset', '-c', `1-${CPUS - 1}`, ...command] : command);

/** The machine in a line, for whoever compares figures. */
export const machine = () => `${os.cpus()[0]?.model.trim() ?? os.arch()}, ${CPUS} cores, ${os.type()} ${os.release()}`;

/** CPU time that a process and all below it have used, in microseconds, by the scheduler's own count. */
export function cpuUs(pid) {
  return treeOf(pid).reduce((sum, each) => sum + threadsUs(each), 0);
}

function treeOf(pid) {
  const children = new Map();
  for (const name of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = parentOf(name);
    if (parent) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const below = (of) => (children.get(of) ?? []).flatMap((child) => [child, ...below(child)]);
  return [pid, ...below(pid)];
}

function parentOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').match(/\) \S (\d+)/)[1]);
  } catch {
    return undefined; // gone meanwhile
  }
}

function threadsUs(pid) {
  let us = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      us += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1000;
    } catch {
      // Gone meanwhile.
    }
  }
  return us;
}
