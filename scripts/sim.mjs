// `make sim`: the seeded simulation over many seeds, in the release profile.
//
//   make sim SEEDS=10000              how many (default 10000), on every core
//   make sim FIRST=10000 SEEDS=500    from this one on (default 0)
//   make sim SEED=17                  this one alone, as it went: the same seed is the same timeline

import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { root } from './places.mjs';
import { failure, figures, sum } from './sim/report.mjs';

/** As many as `make test` runs: enough that each kind of trouble must have shown itself. */
const CHUNK = 500;
/** The tests that run over seeds; the others are part of `make test`. */
const TESTS = ['the_six_promises_hold_in_every_timeline', 'several_origins_keep_the_promises_and_one_of_them_speaks_to_the_exchanges'];

const startedAt = Date.now();
const minutes = () => `${((Date.now() - startedAt) / 60_000).toFixed(1)} min`;
const number = (value) => value.toLocaleString('en');

function count(name, fallback) {
  const text = process.env[name] || String(fallback);
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name}="${text}" is not a whole number`);
  return value;
}

/** The test binary, built if need be. */
function build() {
  const cargo = spawnSync(
    'cargo',
    ['test', '--release', '-p', 'pricecast-core', '--test', 'simulation', '--no-run', '--message-format=json'],
    { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 28 },
  );
  if (cargo.status !== 0) throw new Error('the simulation does not build: the messages above say why');
  const messages = cargo.stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  return messages.find((message) => message.executable && message.target?.name === 'simulation').executable;
}

/** Runs the tests on some seeds; resolves with all they printed. */
function run(binary, seeds) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, [...TESTS, '--exact', '--nocapture', '--test-threads=1'], {
      cwd: path.join(root, 'crates/core'),
      env: { ...process.env, ...seeds },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

function report({ test, message, seed }, output) {
  if (!test) console.log(output);
  console.log(`sim: FAILED ${test}\n  ${message}`);
  if (seed) console.log(`  the same timeline again: make sim SEED=${seed}`);
  return 1;
}

async function all(binary, first, seeds) {
  const chunks = [];
  for (let i = 0; i < seeds; i += CHUNK) chunks.push({ from: first + i, count: Math.min(CHUNK, seeds - i) });
  const shown = [];
  let done = 0;
  let failed;
  const work = async () => {
    for (let chunk = chunks.shift(); chunk && !failed; chunk = chunks.shift()) {
      const { status, output } = await run(binary, { SIM_FIRST: String(chunk.from), SIM_SEEDS: String(chunk.count) });
      if (status !== 0) {
        failed ??= { why: failure(output) ?? {}, output };
        return;
      }
      shown.push(...figures(output));
      done += chunk.count;
      const { answers, oldestMs } = sum(shown);
      console.log(`sim: ${number(done)} of ${number(seeds)} seeds, ${number(answers)} answers, oldest shown fresh ${number(oldestMs)} ms, ${minutes()}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (failed) return report(failed.why, failed.output);
  const total = sum(shown);
  if (total.seeds !== seeds) throw new Error(`${total.seeds} of ${seeds} seeds were run: the tests are other ones than scripts/sim.mjs knows`);
  console.log(
    `sim: passed: ${number(seeds)} seeds from ${number(first)} on, ${number(total.answers)} answers; ` +
      `the oldest price shown fresh had been left ${number(total.oldestMs)} ms before; ${minutes()}`,
  );
  return 0;
}

async function one(binary, seed) {
  const { status, output } = await run(binary, { SIM_SEED: String(seed) });
  console.log(output.trim());
  if (status !== 0) return report(failure(output) ?? {}, output);
  console.log(`sim: passed: seed ${seed}`);
  return 0;
}

try {
  const binary = build();
  process.exitCode = process.env.SEED ? await one(binary, count('SEED')) : await all(binary, count('FIRST', 0), count('SEEDS', 10_000));
} catch (error) {
  console.log(`sim: error: ${error.message}`);
  process.exitCode = 1;
}
