// `make fuzz`: coverage-guided fuzzing of everything that reads what others wrote.
//
//   MINUTES=10       CPU minutes for each target
//   TARGET=kraken    this one alone (fuzz/fuzz_targets has them all)
//
// Two targets at a time. What they find new stays in <target folder>/fuzz/corpus and is where the
// next run begins; an input that breaks something stays in fuzz/artifacts.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { progress, reason } from './fuzz/progress.mjs';
import { copySeeds } from './fuzz/seeds.mjs';
import { PATH, root, target, tools } from './places.mjs';

const AT_A_TIME = 2;
const LOOK_EVERY_MS = 1_000;
const TELL_EVERY_MS = 15_000;
/** Longest input; a batch of 100 products is longer, but nothing new is in its second half. */
const LEN_MAX = 8_192;
const LIMITS = ['-timeout=10', '-rss_limit_mb=2048', `-max_len=${LEN_MAX}`, '-print_final_stats=1'];

const folder = path.join(target, 'fuzz');
const env = { ...process.env, PATH };
// cargo-fuzz is told where to build by a flag.
delete env.CARGO_TARGET_DIR;

const say = (text) => console.log(`fuzz: ${text}`);
const number = (value) => (value ?? 0).toLocaleString('en');

function targets() {
  const all = readdirSync(path.join(root, 'fuzz/fuzz_targets')).map((name) => path.parse(name).name);
  const wanted = process.env.TARGET;
  if (wanted && !all.includes(wanted)) throw new Error(`TARGET="${wanted}" is unknown: ${all.join(', ')}`);
  return wanted ? [wanted] : all;
}

function minutes() {
  const value = Number(process.env.MINUTES || 10);
  if (!(value > 0)) throw new Error(`MINUTES="${process.env.MINUTES}" is not a number above 0`);
  return value;
}

/** Builds the targets; returns the folder of their binaries. */
function build(names) {
  say(`building ${names.join(', ')} (the first time some minutes)`);
  for (const name of names) {
    const cargo = spawnSync('cargo', ['+nightly', 'fuzz', 'build', name, '--fuzz-dir', 'fuzz', '--target-dir', folder], {
      cwd: root,
      env,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (cargo.error || cargo.status !== 0) throw new Error(`${name} does not build: the messages above say why`);
  }
  const version = spawnSync('rustc', ['+nightly', '-vV'], { encoding: 'utf8' }).stdout;
  return path.join(folder, /host: (\S+)/.exec(version)[1], 'release');
}

/** CPU seconds a process has used; by the clock where /proc does not tell. */
function cpuSeconds(pid, startedAt) {
  const file = `/proc/${pid}/stat`;
  if (!existsSync('/proc/self/stat')) return (Date.now() - startedAt) / 1000;
  try {
    const fields = readFileSync(file, 'utf8').split(') ').at(-1).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return undefined; // it has ended
  }
}

/** Runs one target for its time, or until it breaks something. */
function fuzz(name, binaries, limitS) {
  const corpus = path.join(folder, 'corpus', name);
  const artefacts = path.join(root, 'fuzz/artifacts', name);
  for (const needed of [corpus, artefacts]) mkdirSync(needed, { recursive: true });
  const more = path.join(folder, 'seeds', name);
  const copied = copySeeds(name, root, more);
  const seeds = [path.join(root, 'fuzz/corpus', name), more].filter(existsSync);
  const dictionary = path.join(root, 'fuzz/dictionaries', `${name}.dict`);
  const args = [corpus, ...seeds, ...LIMITS, `-artifact_prefix=${artefacts}/`, `-dict=${dictionary}`];
  const child = spawn(path.join(binaries, name), args, { cwd: path.join(root, 'fuzz'), env, stdio: ['ignore', 'ignore', 'pipe'] });
  say(`${name}: started, ${copied} seeds beside its own`);

  const startedAt = Date.now();
  const tail = [];
  let at = {};
  let cpuS = 0;
  let toldAt = startedAt;
  readline.createInterface({ input: child.stderr }).on('line', (line) => {
    at = progress(line, at);
    tail.push(line);
    if (tail.length > 200) tail.shift();
  });
  const look = setInterval(() => {
    cpuS = cpuSeconds(child.pid, startedAt) ?? cpuS;
    if (cpuS >= limitS) child.kill('SIGINT');
    if (Date.now() - toldAt >= TELL_EVERY_MS) {
      toldAt = Date.now();
      say(`${name}: ${(cpuS / 60).toFixed(1)} CPU min, ${number(at.execs)} runs (${number(at.perSecond)}/s), coverage ${number(at.coverage)}, corpus ${number(at.corpus)}`);
    }
  }, LOOK_EVERY_MS);
  return new Promise((resolve) => {
    const end = (status) => {
      clearInterval(look);
      const isOver = cpuS >= limitS && !at.artefact;
      resolve({ name, ...at, cpuS, passed: isOver || status === 0, why: reason(tail.join('\n')) });
    };
    child.on('error', (error) => {
      tail.push(error.message);
      end(1);
    });
    child.on('close', end);
  });
}

function line({ name, passed, cpuS, execs, coverage, features, corpus, why, artefact }) {
  const did = `${(cpuS / 60).toFixed(1)} CPU min, ${number(execs)} runs, coverage ${number(coverage)} (${number(features)} features), corpus ${number(corpus)}`;
  say(`${name.padEnd(9)} ${passed ? 'ok    ' : 'BROKEN'} ${did}`);
  if (passed) return;
  say(`  ${why}`);
  if (artefact) {
    const file = path.relative(root, path.resolve(root, 'fuzz', artefact));
    say(`  again: PATH=${path.relative(root, tools)}:$PATH cargo +nightly fuzz run --target-dir ${path.relative(root, folder)} ${name} ${file}`);
  }
}

async function main() {
  const names = targets();
  const limitS = minutes() * 60;
  const binaries = build(names);
  const waiting = [...names];
  const results = [];
  const work = async () => {
    for (let name = waiting.shift(); name; name = waiting.shift()) results.push(await fuzz(name, binaries, limitS));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  results.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name)).forEach(line);
  return results.every((result) => result.passed) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(`error: ${error.message}`);
  process.exitCode = 1;
}
