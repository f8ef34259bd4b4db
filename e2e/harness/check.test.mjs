// The checks themselves: each must see the lie it is there for.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertAnswers, assertContract, assertNeverBackwards, assertTruthful } from './check.mjs';
import { read } from './probe.mjs';
import { snapshotBody } from './stub.mjs';

const AT = 1_700_000_000_000;
const EPOCH = AT - 60_000;

/** An answer asked for at `AT` with prices confirmed `ageMs` before; `change` may forge its body. */
function answer({ ageMs = 1000, seq = 7, epoch = EPOCH, change = () => {} } = {}) {
  const body = JSON.parse(snapshotBody({ now: AT, confirmedAt: AT - ageMs, seq, epoch }));
  change(body);
  const raw = { status: 200, headers: { 'pricecast-now': `${AT}` }, body: JSON.stringify(body), sentAt: AT, receivedAt: AT + 5 };
  return read(raw);
}

const unflag = (body) => {
  body.prices.forEach((price) => (price.stale = false));
  Object.assign(body, { stale: false, mode: 'live' });
};

test('an honest answer passes', () => {
  assertAnswers([answer(), answer({ ageMs: 3999 }), answer({ ageMs: 9000 })]);
});

test('a price that is old and not flagged is seen, the second in a client\'s cache included', () => {
  for (const ageMs of [4001, 4999, 5001, 60_000]) {
    assert.throws(() => assertAnswers([answer({ ageMs, change: unflag })]), /unflagged/, `${ageMs} ms`);
  }
});

test('an answer that contradicts itself is seen', () => {
  for (const change of [
    (body) => (body.stale = true),
    (body) => (body.mode = 'fallback'),
    (body) => (body.prices[0].source = 'coinbase'),
    (body) => (body.prices[0].stale = true),
    (body) => body.unavailable.push('SOL'),
    (body) => (body.freshUntil += 1),
    (body) => (body.prices[0].price = null),
    (body) => (body.extra = 1),
    (body) => delete body.prices[0].uncertain,
  ]) {
    assert.throws(() => assertContract(answer({ change }).body), assert.AssertionError, String(change));
  }
});

test('an older publication after a newer one is seen', () => {
  assertNeverBackwards([answer({ seq: 7 }), answer({ seq: 7 }), answer({ seq: 8 }), answer({ epoch: EPOCH + 1, seq: 1 })]);
  assert.throws(() => assertNeverBackwards([answer({ seq: 8 }), answer({ seq: 7 })]), /was followed by/);
  assert.throws(() => assertNeverBackwards([answer({ seq: 1 }), answer({ epoch: EPOCH - 1, seq: 9 })]), /was followed by/);
});

test('a price its exchange has left, or never had, is seen', () => {
  const truth = (btc) => ({ kraken: { BTC: btc, ETH: [[AT - 90_000, '3521.40']] }, coinbase: {} });
  const leftBefore = (ms) => truth([[AT - 90_000, '1.0'], [AT - 60_000, '67432.1'], [AT - ms, '67433.0']]);
  assertTruthful([answer()], truth([[AT - 90_000, '67432.1']]));
  assertTruthful([answer()], leftBefore(3999));
  assert.throws(() => assertTruthful([answer()], leftBefore(4001)), /by the truth of kraken/);
  assert.throws(() => assertTruthful([answer()], truth([[AT - 90_000, '67432.2']])), /was never/);
  assert.throws(() => assertTruthful([answer()], truth([[AT - 90_000, '1.0'], [AT + 6, '67432.1']])), /was never/);
  // It came back to an earlier price: the last time counts.
  assertTruthful([answer()], truth([[AT - 90_000, '67432.1'], [AT - 50_000, '2.0'], [AT - 1000, '67432.1']]));
  // A flagged price may be old, not made up.
  assertTruthful([answer({ ageMs: 9000 })], leftBefore(20_000));
  assert.throws(() => assertTruthful([answer({ ageMs: 9000 })], truth([[AT - 90_000, '5.0']])), /was never/);
});

test('a frozen symbol may stay a while, but not far from the truth', () => {
  const truth = (off) => ({ kraken: { BTC: [[AT - 90_000, '67432.1'], [AT - 20_000, `${67432.1 * off}`]], ETH: [[AT - 90_000, '3521.40']] }, coinbase: {} });
  const frozen = { symbols: ['BTC'], since: AT - 20_000 };
  assertTruthful([answer()], truth(1.0024), { frozen });
  assert.throws(() => assertTruthful([answer()], truth(1.0024)), /by the truth of kraken/);
  assert.throws(() => assertTruthful([answer()], truth(1.0026), { frozen }), /bp off/);
  for (const other of [{ since: AT + 60_000 }, { until: AT - 60_000 }]) {
    assert.throws(() => assertTruthful([answer()], truth(1.0024), { frozen: { ...frozen, ...other } }), /by the truth of kraken/);
  }
});

test('the longest time a price was served after its venue had left it is told', () => {
  const truth = { kraken: { BTC: [[AT - 90_000, '67432.1'], [AT - 2000, '5.0']], ETH: [[AT - 90_000, '3521.40']] }, coinbase: {} };
  assert.deepEqual(assertTruthful([answer()], truth), { longest_unflagged_ms: 2005 });
});

test('all that lie are counted, and the first is told', () => {
  const truth = { kraken: { BTC: [[AT - 90_000, '67432.1'], [AT - 9000, '5.0']], ETH: [[AT - 90_000, '3521.40']] }, coinbase: {} };
  assert.throws(() => assertTruthful([answer(), answer()], truth), (error) => error.lies === 2 && /BTC 67432.1 by the truth/.test(error.message));
});
