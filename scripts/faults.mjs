// `make faults`: builds what the fault tests start, runs every test the matrix names, prints one line
// per row, and writes docs/faults.md and target/faults.json.
//
//   ROWS=27,28     only these rows, and only what their tests need is built; the documents are left as they are

import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stepsFor } from './faults/build.mjs';
import { page, showFigures } from './faults/document.mjs';
import { judgeAll, judgeRow, shortfalls } from './faults/judge.mjs';
import { matrix } from './faults/matrix.mjs';
import { parseName, runNodeFile, runRust, spawned } from './faults/tests.mjs';
import { PATH, root, target } from './places.mjs';

/** Test files side by side: they mostly wait for the product's own deadlines. */
const FILES_AT_ONCE = 3;
/** These take all the machine gives: they run by themselves, after the others. */
const ALONE = /\/(load|malicious|truth|abuse)\.test\.mjs$/;

process.env.PATH = PATH;
const say = (text) => console.log(`faults: ${text}`);

/** The rows that are asked for; a mistake there is told. */
function asked(text) {
  if (!text) return matrix;
  const rows = text.split(',').map(Number);
  const unknown = rows.filter((row) => !matrix.some((known) => known.row === row));
  if (unknown.length > 0) throw new Error(`ROWS="${text}": there is no row ${unknown.join(', ')}; give numbers from 1 to ${matrix.length}`);
  return matrix.filter(({ row }) => rows.includes(row));
}

async function build(log, tests) {
  const read = (file) => readFileSync(path.join(root, file), 'utf8');
  for (const { what, command, args } of stepsFor(tests, { root, read })) {
    const began = Date.now();
    say(`building ${what}`);
    const code = await spawned(command, args, { root, onLine: (line) => log.write(`${line}\n`) });
    if (code !== 0) throw new Error(`building ${what} failed; see ${log.path}`);
    say(`built ${what} (${((Date.now() - began) / 1000).toFixed(0)} s)`);
  }
}

async function main() {
  const rows = asked(process.env.ROWS);
  const names = [...new Set(rows.flatMap(({ tests }) => tests))];
  mkdirSync(target, { recursive: true });
  const log = createWriteStream(path.join(target, 'faults.log'));
  await build(log, names.map(parseName));

  const began = Date.now();
  const seconds = () => (Date.now() - began) / 1000;
  const ended = new Map();
  const onEnd = (test) => {
    ended.set(test.name, test);
    const took = `${(test.durationMs / 1000).toFixed(1)} s`;
    say(`[${ended.size}/${names.length}, ${Math.round(seconds())} s] ${test.outcome} ${test.name} (${took})${test.why ? `\n${test.why}` : ''}`);
  };
  const options = { root, target, log, onEnd };

  const rust = names.filter((name) => parseName(name).runner === 'rust');
  if (rust.length > 0) {
    say(`${rust.length} Rust tests`);
    await runRust(rust, options);
  }
  const files = Map.groupBy(
    names.map(parseName).filter(({ runner }) => runner === 'node'),
    ({ file }) => file,
  );
  if (files.size > 0) say(`${names.length - rust.length} tests in ${files.size} files on real processes, ${FILES_AT_ONCE} files at a time`);
  const runAll = (queue) => async () => {
    for (let next = queue.shift(); next; next = queue.shift()) await runNodeFile(next[0], next[1].map(({ test }) => test), options);
  };
  const work = runAll([...files].filter(([file]) => !ALONE.test(file)));
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, work));
  await runAll([...files].filter(([file]) => ALONE.test(file)))();

  const entries = rows.map((row) => judgeRow(row, ended));
  const total = judgeAll(entries, ended);
  report(rows, entries, total, seconds());
  log.end();
  for (const reason of shortfalls(total, { isWhole: rows.length === matrix.length })) {
    say(`FAILED: ${reason}`);
    process.exitCode = 1;
  }
}

function report(rows, entries, total, seconds) {
  for (const [i, { row, fault, result, figures, reason }] of entries.entries()) {
    say(`${String(row).padStart(2)} ${result.padEnd(7)} ${fault} → ${rows[i].expected}${result === 'pass' ? '' : ` — ${reason}`}`);
    if (Object.keys(figures).length > 0) say(`           ${showFigures(figures)}`);
  }
  if (rows.length === matrix.length) {
    writeFileSync(path.join(target, 'faults.json'), `${JSON.stringify(entries, undefined, 1)}\n`);
    writeFileSync(path.join(root, 'docs', 'faults.md'), page(matrix, entries, total, seconds));
    say(`written: docs/faults.md, ${path.relative(root, path.join(target, 'faults.json'))}`);
  }
  say(
    `${total.passed} rows pass, ${total.failed} fail, ${total.notRun} not run; ${total.tests} tests in ${Math.round(seconds)} s; ` +
      `${total.probed} responses probed, ${total.probedReal} of them of real processes, ${total.lies} lies, longest unflagged ${total.longestUnflaggedMs} ms`,
  );
}

main().catch((error) => {
  say(`error: ${error.message}`);
  process.exitCode = 1;
});
