// `make mutants`: changes core in one place after the other and sees whether a test notices.
//
//   SHARD=1/4     a part of the mutants: the first of four
//   JOBS=2        how many at a time
//
// Two passes: the quick tests first, then the seeded timelines on what they let live. Fails below
// 90 % caught, and for a survivor that docs/mutants.md gives no reason for.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterBoth, score, unexplained, verdicts } from './mutants/score.mjs';
import { PATH, root, target } from './places.mjs';

const CAUGHT_MIN_PERCENT = 90;
const QUICK = ['--lib', '--test=edge_cache', '--test=timelines'];
const THOROUGH = ['--test=simulation'];
/** Enough that a fault that is often seen is seen. */
const SIM_SEEDS = '12';

const folder = path.join(target, 'mutants');
const say = (text) => console.log(`mutants: ${text}`);
const minutes = (since) => `${((Date.now() - since) / 60_000).toFixed(1)} min`;

/** `1/4` as cargo-mutants has it: counted from 0. */
function shard(text) {
  if (!text) return undefined;
  const [part, parts] = text.split('/').map(Number);
  if (!(Number.isInteger(part) && part >= 1 && part <= parts)) throw new Error(`SHARD="${text}": give the first of four as 1/4`);
  return { name: `${part}-of-${parts}`, flag: `${part - 1}/${parts}` };
}

const escaped = (name) => name.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** One pass, over a part or over `only` these. Exit codes 2 and 3 say that some were missed or hung: a result. */
function run(tests, output, { part, only = [] }) {
  const args = ['mutants', '--package', 'pricecast-core', '--output', output, '--no-shuffle', '--colors', 'never'];
  args.push('--jobs', process.env.JOBS || '2', ...(part ? ['--sharding', 'round-robin', '--shard', part.flag] : []), ...only.map(({ name }) => `--re=^${escaped(name)}$`));
  // One function changes from build to build.
  const env = { ...process.env, SIM_SEEDS, PATH, CARGO_INCREMENTAL: '1' };
  // Each mutant is built in a copy of its own.
  delete env.CARGO_TARGET_DIR;
  const child = spawn('cargo', [...args, ...tests.map((test) => `--cargo-arg=${test}`)], { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => ([0, 2, 3].includes(status) ? resolve() : reject(new Error(`cargo-mutants ended with ${status}: the messages above say why`))));
  });
}

const found = (output) => verdicts(JSON.parse(readFileSync(path.join(output, 'mutants.out/outcomes.json'), 'utf8')));

async function main() {
  const part = shard(process.env.SHARD);
  const output = path.join(folder, part?.name ?? 'all');
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const began = Date.now();
  say('first pass: the quick tests');
  await run(QUICK, output, { part });
  let all = found(output);
  const alive = all.filter(({ caught }) => !caught);
  say(`${all.length} mutants, ${alive.length} alive after ${minutes(began)}`);
  if (alive.length > 0) {
    say('second pass: the timelines by seeds');
    await run(THOROUGH, output, { only: alive });
    // cargo-mutants does not let the deletions of a field be left out by name.
    all = afterBoth(all, found(output));
  }

  const document = path.join(root, 'docs/mutants.md');
  const open = unexplained(all, existsSync(document) ? readFileSync(document, 'utf8') : '');
  for (const { name } of all.filter(({ caught }) => !caught)) say(`alive: ${name}${open.some((one) => one.name === name) ? '' : ' (explained)'}`);
  const rows = score(all);
  for (const { area, caught, total, percent } of rows) say(`${area.padEnd(12)} ${String(caught).padStart(4)} of ${String(total).padStart(4)} caught, ${percent.toFixed(1)} %`);
  const low = rows.filter(({ percent }) => percent < CAUGHT_MIN_PERCENT);
  for (const { area } of low) say(`FAILED: ${area} is below ${CAUGHT_MIN_PERCENT} %`);
  if (open.length > 0) say(`FAILED: ${open.length} survivors without a reason in docs/mutants.md`);
  say(`${part ? `part ${part.name}` : 'all'}, ${minutes(began)}`);
  return low.length > 0 || open.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(`error: ${error.message}`);
  process.exitCode = 1;
}
