import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, figures, sum } from './report.mjs';

const GOOD = `
running 1 test
test the_six_promises_hold_in_every_timeline ... figures: {"seeds":250,"probed":412345,"lies":0,"longest_unflagged_ms":4912,"elections":80}
ok
`;

const BAD = `
thread 'the_six_promises_hold_in_every_timeline' (77) panicked at crates/core/tests/sim/checks.rs:90:9:
seed 17 at 31400 ms: BTC is shown fresh 5200 ms after the venue left it
note: run with RUST_BACKTRACE=1
`;

test('a closing line is read', () => {
  assert.deepEqual(figures(GOOD), [{ seeds: 250, answers: 412_345, oldestMs: 4912 }]);
  assert.equal(failure(GOOD), undefined);
});

test('a failure names its seed, its test and what is wrong', () => {
  assert.deepEqual(failure(BAD), {
    test: 'the_six_promises_hold_in_every_timeline',
    message: 'seed 17 at 31400 ms: BTC is shown fresh 5200 ms after the venue left it',
    seed: '17',
  });
  assert.deepEqual(figures(BAD), []);
});

test('the sum adds answers and keeps the oldest price', () => {
  const one = { seeds: 1, answers: 1, oldestMs: 4000 };
  assert.deepEqual(sum([one, { seeds: 2, answers: 10, oldestMs: 3000 }]), { seeds: 3, answers: 11, oldestMs: 4000 });
  assert.deepEqual(sum([]), { seeds: 0, answers: 0, oldestMs: 0 });
});
