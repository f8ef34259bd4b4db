// The fault matrix and what makes a table of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { root } from '../places.mjs';
import { stepsFor } from './build.mjs';
import { page, rowLine, testsLine } from './document.mjs';
import { judgeAll, judgeRow, shortfalls, tierOf } from './judge.mjs';
import { matrix } from './matrix.mjs';
import { parseName, readFigures, readJunit, readNodeReport } from './tests.mjs';

const ROW = { row: 1, group: 'Network', fault: 'a fault', expected: 'no harm', tests: ['rust a one', 'node e2e/b.test.mjs > two'] };
const passed = (name, figures = {}) => [name, { name, outcome: 'passed', figures, durationMs: 1 }];
const judged = (...tests) => judgeRow(ROW, new Map(tests));

/** Whether a test of that name is there, as it stands or made of a template. */
function isNamedIn(source, name) {
  const templates = [...source.matchAll(/`([^`\n]*\$\{[^`\n]*)`/g)].map(([, text]) =>
    text.split(/\$\{[^}]*\}/).map((part) => part.replace(/[^\w\s]/g, '\\$&')).join('.+'),
  );
  return source.includes(name.replaceAll("'", "\\'")) || source.includes(name) || templates.some((text) => new RegExp(`^${text}$`).test(name));
}

test('the matrix has 75 rows in order, and each test it names in a Node file is there', () => {
  assert.deepEqual(matrix.map(({ row }) => row), Array.from({ length: 75 }, (_, i) => i + 1));
  for (const { tests } of matrix) {
    assert.equal(new Set(tests).size, tests.length);
    for (const name of tests.map(parseName).filter(({ runner }) => runner === 'node')) {
      const source = readFileSync(path.join(root, name.file), 'utf8');
      assert.ok(isNamedIn(source, name.test), `${name.file} has no test '${name.test}'`);
    }
  }
});

test('what is built is what the tests asked for need', () => {
  const read = (file) => readFileSync(path.join(root, file), 'utf8');
  const built = (names) => stepsFor(names.map(parseName), { root, read }).map(({ what, args }) => `${what} ${args.at(-1) ?? ''}`.trim());
  const [programs, worker, drill, previous, tests] = built(matrix.flatMap((row) => row.tests));
  assert.match(`${programs}, ${worker}, ${drill}, ${previous}, ${tests}`, /^the origin.*, the Worker, .* drill, the version before.*, the tests --no-run$/);
  for (const [name, needs] of [
    ['rust pricecast-core::simulation one', [tests]],
    ['rust pricecast-origin::faults_http one', [programs, tests]],
    ['node e2e/faults/network.test.mjs > one', [programs, worker]],
    ['node e2e/faults/load.test.mjs > one', [programs, worker, drill]],
    ['node e2e/faults/deploy.test.mjs > one', [programs, worker, previous]],
  ]) {
    assert.deepEqual(built([name]), needs, name);
  }
});

test('a row passes when each of its tests has, and their figures are added or the greatest is taken', () => {
  const entry = judged(passed('rust a one', { probed: 10, takeover_ms: 5 }), passed('node e2e/b.test.mjs > two', { probed: 5, takeover_ms: 3 }));
  assert.deepEqual(entry, { row: 1, fault: 'a fault', result: 'pass', figures: { probed: 15, takeover_ms: 5 }, reason: '' });
});

test('a row whose test failed, lied or did not run has failed; one that could not run here says why', () => {
  const one = passed('rust a one');
  assert.equal(judged(one).result, 'fail');
  assert.match(judged(one).reason, /two: it did not run/);
  const two = (outcome, figures) => ['node e2e/b.test.mjs > two', { name: 'two', outcome, why: 'because\nof this', figures }];
  assert.deepEqual([judged(one, two('failed')).result, judged(one, two('failed')).reason], ['fail', 'two: because']);
  assert.equal(judged(one, two('passed', { lies: 1 })).result, 'fail');
  assert.deepEqual([judged(one, two('skipped')).result, judged(one, two('skipped')).reason], ['not-run', 'two: because']);
  assert.equal(judgeRow({ ...ROW, tests: [] }, new Map()).result, 'fail');
  const notRun = { reason: 'no such machine', drill: 'do it there' };
  assert.equal(judgeRow({ ...ROW, tests: [], notRun }, new Map()).reason, 'no such machine; drill: do it there');
});

test('a test that serves two rows counts once in the total', () => {
  const sim = 'rust pricecast-core::simulation three';
  const ended = new Map([passed('rust a one', { probed: 10, longest_unflagged_ms: 4000 }), passed('node e2e/b.test.mjs > two', { probed: 1 }), passed(sim, { probed: 5 })]);
  const entries = [judgeRow(ROW, ended), judgeRow({ ...ROW, row: 2 }, ended)];
  const total = judgeAll(entries, ended);
  assert.deepEqual([total.passed, total.probed, total.probedReal, total.longestUnflaggedMs], [2, 16, 11, 4000]);
});

test('a run fails by a failed row, a lie, or a price that was old; a whole one by too few rows or answers too', () => {
  const good = { failed: 0, passed: 60, probedReal: 100_000, lies: 0, longestUnflaggedMs: 5000 };
  assert.deepEqual(shortfalls(good, { isWhole: true }), []);
  for (const bad of [{ failed: 1 }, { lies: 1 }, { longestUnflaggedMs: 5001 }]) assert.equal(shortfalls({ ...good, ...bad }, { isWhole: false }).length, 1);
  for (const few of [{ passed: 59 }, { probedReal: 99_999 }]) {
    assert.equal(shortfalls({ ...good, ...few }, { isWhole: true }).length, 1);
    assert.deepEqual(shortfalls({ ...good, ...few }, { isWhole: false }), []);
  }
});

test('names are taken apart, and one that no runner knows is told', () => {
  assert.deepEqual(parseName('rust pricecast-core::timelines failover::x'), { runner: 'rust', binary: 'pricecast-core::timelines', test: 'failover::x' });
  assert.deepEqual(parseName('node e2e/faults/a.test.mjs > a: b > c'), { runner: 'node', file: 'e2e/faults/a.test.mjs', test: 'a: b > c' });
  assert.throws(() => parseName('e2e/a.test.mjs'), /no runner knows/);
  assert.equal(tierOf('rust pricecast-core::timelines x'), 'virtual time');
  assert.equal(tierOf('rust pricecast-origin::simulated_network x'), 'network');
  assert.equal(tierOf('rust pricecast-origin::faults_http x'), 'process');
  assert.equal(tierOf('node e2e/cache.test.mjs > x'), 'Worker');
  assert.equal(tierOf('node e2e/faults/redis.test.mjs > x'), 'process');
});

test('figures are read from what a test has printed', () => {
  assert.deepEqual(readFigures('noise\nfigures: {"a":1}\nmore figures: {"b":2.5}\n'), { a: 1, b: 2.5 });
  assert.deepEqual(readFigures('nothing'), {});
});

test("nextest's report is read: passed, failed, skipped, figures", () => {
  const report = `<testsuites timestamp="2026-01-01T00:00:00Z"><testsuite name="a::b">
    <testcase name="m::one" classname="a::b" timestamp="x" time="0.5"><system-out>figures: {&quot;n&quot;:3}
SKIPPED: no &lt;tool&gt;</system-out></testcase>
    <testcase name="two" classname="a::b" timestamp="x" time="1.0"><failure message="m">panicked</failure></testcase>
    <testcase name="three" classname="a::b" timestamp="x" time="2"/>
  </testsuite></testsuites>`;
  const [one, two, three] = readJunit(report);
  assert.deepEqual(one, { name: 'rust a::b m::one', outcome: 'skipped', why: 'no <tool>', durationMs: 500, figures: { n: 3 } });
  assert.equal(two.outcome, 'failed');
  assert.deepEqual([three.name, three.outcome], ['rust a::b three', 'passed']);
});

test("Node's tests are read with the lines they printed, each with its own", () => {
  const lines = [
    { at: 'f:1:1', name: 'one', outcome: 'passed', durationMs: 1 },
    { at: 'f:1:1', says: 'figures: {"n":1}' },
    { at: 'f:9:1', name: 'two', outcome: 'failed', why: 'Error: x', durationMs: 1 },
    { at: 'f:9:1', says: 'figures: {"n":2}' },
    // Cases of one table are made in one place.
    { at: 'f:9:1', name: 'three', outcome: 'passed', durationMs: 1 },
    { at: 'f:9:1', says: 'figures: {"n":3}' },
  ];
  const tests = readNodeReport(lines.map((line) => JSON.stringify(line)).join('\n'), 'e2e/x.test.mjs');
  assert.deepEqual(tests.map(({ name, outcome, figures }) => [name, outcome, figures.n]), [
    ['node e2e/x.test.mjs > one', 'passed', 1],
    ['node e2e/x.test.mjs > two', 'failed', 2],
    ['node e2e/x.test.mjs > three', 'passed', 3],
  ]);
});

test('the page has a line for every row, with its result', () => {
  const rows = [ROW, { ...ROW, row: 2, group: 'Edge', fault: 'a | b', tests: [], notRun: { reason: 'r', drill: 'd' } }];
  const ended = new Map([passed('rust a one', { takeover_ms: 1234 }), passed('node e2e/b.test.mjs > two')]);
  const entries = rows.map((row) => judgeRow(row, ended));
  const text = page(rows, entries, judgeAll(entries, ended), 61.2);
  assert.match(text, /\*\*1 of 2 rows pass, 0 fail, 1 are not run here\*\* — 2 tests in 61 s/);
  assert.match(text, /^\| 1 \| a fault \| no harm \| pass \| process \| takeover ms 1,234 \|$/m);
  assert.match(text, /^\| 2 \| a \\\| b \| no harm \| not run \|  \| r; drill: d \|$/m);
});

test('docs/faults.md tells the rows of the matrix, each with its result and its tests', () => {
  const text = readFileSync(path.join(root, 'docs', 'faults.md'), 'utf8');
  for (const { row, fault, expected, tests, notRun } of matrix) {
    const line = rowLine(row, fault, expected);
    assert.ok(text.includes(line), `docs/faults.md has no line ${line}: run make faults`);
    const [result] = text.split(line)[1].split(' |');
    assert.equal(result, notRun ? 'not run' : 'pass', `row ${row}`);
    assert.ok(tests.length === 0 || text.includes(`\n${testsLine(row, tests)}\n`), `docs/faults.md names other tests for row ${row}: run make faults`);
  }
});
