import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterBoth, score, stableName, unexplained, verdicts } from './score.mjs';

const outcome = (file, line, what, summary) => ({
  scenario: { Mutant: { name: `${file}:${line}:9: ${what}`, file } },
  summary,
});
const outcomes = {
  outcomes: [
    { scenario: 'Baseline', summary: 'Success' },
    outcome('crates/core/src/aggregate/told.rs', 10, 'replace < with <= in Aggregator::pick', 'CaughtMutant'),
    outcome('crates/core/src/aggregate.rs', 12, 'replace < with == in Aggregator::pick', 'MissedMutant'),
    outcome('crates/core/src/lease/mod.rs', 7, 'replace f -> u64 with 0', 'Timeout'),
    outcome('crates/core/src/kraken/link.rs', 3, 'replace f with ()', 'Unviable'),
  ],
};

test('mutants are counted by area, without those that do not compile', () => {
  const rows = score(verdicts(outcomes)).map(({ area, caught, total }) => [area, caught, total]);
  assert.deepEqual(rows, [['aggregator', 1, 2], ['lease', 1, 1], ['all', 2, 3]]);
});

test('a second pass may only add to what was caught', () => {
  const [a, b] = [{ name: 'a', caught: true }, { name: 'b', caught: false }];
  const second = [{ name: 'a', caught: false }, { name: 'b', caught: true }];
  assert.deepEqual(afterBoth([a, b], second), [a, { name: 'b', caught: true }]);
  assert.deepEqual(afterBoth([a, b], []), [a, b]);
});

test('a survivor is explained by its name without its place', () => {
  const name = 'crates/core/src/aggregate.rs: replace < with == in Aggregator::pick';
  assert.equal(stableName('crates/core/src/aggregate.rs:12:9: replace < with == in Aggregator::pick'), name);
  assert.equal(unexplained(verdicts(outcomes), '').length, 1);
  assert.equal(unexplained(verdicts(outcomes), `- \`${name}\`: why`).length, 0);
});
