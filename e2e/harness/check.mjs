// What must hold for every answer, whatever the case.

import assert from 'node:assert/strict';

/** Promise 1: a price older than this must say so. */
export const FRESH_FOR_MS = 5_000;
/** H: a client's own cache may show an answer for so much longer. */
const CLIENT_CACHE_MS = 1_000;

const KEYS = ['prices', 'timestamp', 'stale', 'freshUntil', 'mode', 'seq', 'epoch', 'pollAfterMs', 'unavailable', 'sources'];
const PRICE_KEYS = ['symbol', 'price', 'change24h', 'source', 'asOf', 'confirmedAt', 'stale', 'uncertain'];

/** The fields of the contract, in its order, and what follows from one another. */
export function assertContract(body) {
  assert.deepEqual(Object.keys(body), KEYS);
  for (const price of body.prices) {
    assert.deepEqual(Object.keys(price), PRICE_KEYS);
    assert.ok(price.price > 0, `${price.symbol} costs ${price.price}`);
    assert.ok(price.source === 'kraken' || price.source === 'coinbase', price.source);
    for (const field of ['asOf', 'confirmedAt']) assert.ok(Number.isSafeInteger(price[field]), field);
  }
  const stale = body.prices.filter((price) => price.stale).length;
  assert.equal(body.stale, stale > 0);
  const isFallback = body.prices.some((price) => price.source === 'coinbase');
  const isWhole = stale === 0 && body.unavailable.length === 0;
  const expected = stale === body.prices.length ? 'frozen' : !isWhole ? 'degraded' : isFallback ? 'fallback' : 'live';
  assert.equal(body.mode, expected);
  assert.equal(body.freshUntil, Math.min(...body.prices.map((price) => price.confirmedAt)) + FRESH_FOR_MS);
  for (const source of ['kraken', 'coinbase']) {
    assert.match(body.sources[source].status, /^(connected|stale|down)$/);
    assert.ok(Number.isSafeInteger(body.sources[source].lastUpdate));
  }
}

/** Promises 1 and 4 by our own stamps, on all answers of a probe. */
export function assertAnswers(answers) {
  assert.ok(answers.length > 0, 'the probe has answers');
  for (const { status, body, ageMs } of answers) {
    assert.equal(status, 200, JSON.stringify(body));
    assertContract(body);
    if (!body.stale) assert.ok(ageMs <= FRESH_FOR_MS, `unflagged at ${ageMs} ms`);
  }
}

/** Promise 5. */
export function assertNeverBackwards(answers) {
  let [epoch, seq] = [0, 0];
  for (const { body } of answers) {
    const isForward = body.epoch > epoch || (body.epoch === epoch && body.seq >= seq);
    assert.ok(isForward, `(${epoch}, ${seq}) was followed by (${body.epoch}, ${body.seq})`);
    [epoch, seq] = [body.epoch, body.seq];
  }
}

/**
 * Promises 1 and 2 by the market's own word: every price that was served unflagged was its
 * venue's at some moment of the last five seconds, the second in a client's cache included.
 * Returns how many prices were compared.
 */
export function assertTruthful(answers, truth) {
  let compared = 0;
  for (const { body, receivedAt } of answers) {
    for (const price of body.prices.filter((price) => !price.stale)) {
      const history = truth[price.source][price.symbol];
      const since = receivedAt + CLIENT_CACHE_MS - FRESH_FOR_MS;
      const last = lastTrueAt(history, price.price, receivedAt);
      assert.ok(last !== undefined, `${price.symbol} ${price.price} was never ${price.source}'s price`);
      assert.ok(
        last >= since,
        `${price.symbol} ${price.price}, served unflagged at ${receivedAt}, was left by ${price.source} ${receivedAt - last} ms before`,
      );
      compared += 1;
    }
  }
  return compared;
}

/** When `price` was true for the last time, not after `at`; undefined if it never was. */
function lastTrueAt(history, price, at) {
  let left = at;
  for (let i = history.length - 1; i >= 0; i--) {
    const [from, text] = history[i];
    if (from <= at && Number(text) === price) return Math.min(left, at);
    left = from;
  }
  return undefined;
}

/** A problem of that status, as every one of ours is sent. */
export function assertProblem(answer, status, code) {
  assert.equal(answer.status, status, answer.body);
  assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const problem = JSON.parse(answer.body);
  assert.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'code', 'detail']);
  assert.equal(problem.status, status);
  assert.equal(problem.code, code);
  return problem;
}
