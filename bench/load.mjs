// Load, by wrk, and what a request has cost the server that answered it.

import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { root } from '../scripts/places.mjs';
import { aside, cpuUs } from './machine.mjs';

const CONNECTIONS = 16;
/** Asks as a client that polls: with the tag it was given last. */
const POLLS = path.join(root, 'bench/polls.lua');

export const hasWrk = () => spawnSync('wrk', ['-v']).error === undefined;

/** Asks `url` for `seconds`, each time with the last tag where it `polls`; CPU microseconds of the server's processes per answer. An answer but 2xx and 3xx is an error. */
export async function cpuPerRequestUs({ name, url, pid, polls }, seconds) {
  const before = cpuUs(pid);
  const { requests, bad } = await wrk(url, seconds, polls ? ['-s', POLLS] : []);
  const us = cpuUs(pid) - before;
  if (requests === 0 || bad > 0) throw new Error(`${name}, ${url}: ${requests} answers, ${bad} of them or of the connections bad`);
  return us / requests;
}

/** wrk counts 2xx and 3xx as good. */
function wrk(url, seconds, options) {
  const [command, ...args] = aside(['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...options, url]);
  return new Promise((resolve, reject) => {
    let output = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', () => {
      const number = (pattern) => Number(output.match(pattern)?.[1] ?? 0);
      const errors = output.match(/Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/)?.slice(1) ?? [];
      const bad = number(/Non-2xx or 3xx responses: (\d+)/) + errors.reduce((sum, each) => sum + Number(each), 0);
      resolve({ requests: number(/(\d+) requests in/), bad });
    });
  });
}
