// The two test runners behind `make faults`: runs exactly the tests that are named, hands each
// over as it ends. A test is `{name, outcome: 'passed' | 'failed' | 'skipped', why, durationMs, figures}`,
// its name as in the matrix.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const reporter = fileURLToPath(new URL('./reporter.mjs', import.meta.url));
/** Ends what hangs; measures nothing. */
const NODE_TEST_LIMIT_MS = 300_000;

/** 'rust <binary id> <test>' and 'node <file> > <test>', taken apart. */
export function parseName(name) {
  const rust = name.match(/^rust (\S+) (\S+)$/);
  if (rust) return { runner: 'rust', binary: rust[1], test: rust[2] };
  const node = name.match(/^node (\S+\.test\.mjs) > (.+)$/);
  if (node) return { runner: 'node', file: node[1], test: node[2] };
  throw new Error(`the matrix names a test that no runner knows: ${name}`);
}

/** The numbers of all lines `figures: {…}` in what a test has printed. */
export function readFigures(text) {
  return Object.assign({}, ...[...text.matchAll(/figures: (\{[^}\n]*\})/g)].map(([, json]) => JSON.parse(json)));
}

/** Runs the Rust tests by nextest; their figures are in its report. */
export async function runRust(names, { root, target, log, onEnd, env }) {
  const wanted = new Map(names.map((name) => [name, parseName(name)]));
  const filter = [...wanted.values()].map(({ binary, test }) => `(binary_id(=${binary}) & test(=${test}))`).join(' | ');
  const args = ['nextest', 'run', '--workspace', '--profile', 'faults', '--no-fail-fast', '--color', 'never', '-E', filter];
  const began = Date.now();
  await spawned('cargo', args, { root, env, onLine: (line) => log.write(`${line}\n`) });
  // nextest puts its report below the default target folder, whatever CARGO_TARGET_DIR says.
  const seen = [path.join(target, 'nextest'), path.join(root, 'target', 'nextest')]
    .map((folder) => readReport(path.join(folder, 'faults', 'junit.xml'), began))
    .find((tests) => tests);
  for (const test of seen ?? []) if (wanted.has(test.name)) onEnd(test);
}

function readReport(file, notBefore) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const stamp = Date.parse(text.match(/<testsuites [^>]*timestamp="([^"]+)"/)?.[1] ?? '');
  if (stamp < notBefore - 1000) return undefined;
  return readJunit(text);
}

/** The tests of a JUnit report as nextest writes it. */
export function readJunit(text) {
  return [...text.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]* time="([\d.]+)"(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, name, binary, seconds, inside = '']) => {
      const said = decode(inside.match(/<system-out>([\s\S]*?)<\/system-out>/)?.[1] ?? '');
      const failure = inside.match(/<(?:failure|error)\b([\s\S]*?)<\/(?:failure|error)>/)?.[1];
      const skipped = said.match(/SKIPPED[: ]+(.*)/)?.[1];
      return {
        name: `rust ${decode(binary)} ${decode(name)}`,
        outcome: failure !== undefined ? 'failed' : skipped !== undefined ? 'skipped' : 'passed',
        why: failure !== undefined ? decode(failure).slice(0, 2000) : skipped,
        durationMs: Number(seconds) * 1000,
        figures: readFigures(said),
      };
    },
  );
}

const ENTITIES = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const decode = (text) =>
  text.replace(/<!\[CDATA\[([\s\S]*?)\]\]>/g, '$1').replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (all, decimal, hex, entity) => {
    if (decimal ?? hex) return String.fromCodePoint(parseInt(decimal ?? hex, decimal ? 10 : 16));
    return ENTITIES[entity] ?? all;
  });

/** Runs a Node file, all of it (a pattern of names does not reach into subtests), and hands over the tests that are named. */
export async function runNodeFile(file, tests, { root, log, onEnd, env }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'faults-'));
  const report = path.join(folder, 'report');
  const args = ['--test', `--test-timeout=${NODE_TEST_LIMIT_MS}`];
  args.push('--test-reporter=spec', '--test-reporter-destination=stdout');
  args.push(`--test-reporter=${reporter}`, `--test-reporter-destination=${report}`, file);
  try {
    await spawned(path.join(root, 'node_modules', '.bin', 'node'), args, { root, env, onLine: (line) => log.write(`${line}\n`) });
    for (const test of readNodeReport(readFileSync(report, 'utf8'), file)) if (tests.includes(test.test)) onEnd(test);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tests of a file as our reporter tells them: what a test says follows its end, before the next one's from the same place. */
export function readNodeReport(text, file) {
  const ended = [];
  for (const { at, says, ...test } of text.split('\n').filter(Boolean).map((line) => JSON.parse(line))) {
    if (says === undefined) ended.push({ ...test, at, said: '' });
    else {
      const speaker = ended.findLast((known) => known.at === at);
      if (speaker) speaker.said += `${says}\n`;
    }
  }
  return ended.map(({ name, outcome, why, durationMs, said }) => ({
    name: `node ${file} > ${name}`,
    test: name,
    outcome,
    why,
    durationMs,
    figures: readFigures(said),
  }));
}

/** Runs a command, hands over its lines; resolves with its exit code. */
export function spawned(command, args, { root, env = {}, onLine }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', onLine);
    child.once('error', reject);
    child.once('close', resolve);
  });
}
