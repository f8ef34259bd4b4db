// What must hold for every answer, whatever the case.

import assert from 'node:assert/strict';

/** Promise 1: a price older than this must say so. */
export const FRESH_FOR_MS = 5_000;
/** H: a client's own cache may show an answer for so much longer. */
export const CLIENT_CACHE_MS = 1_000;
/** A frozen symbol is left once the other venue has moved further than this … */
const FROZEN_BP = 25;
/** … and this time has passed. */
const FROZEN_FOR_MS = 15_000;

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

/**
 * Promise 1 for a price of an answer that does not flag it: it was confirmed, or true, at `at` or
 * later. Whoever keeps the answer for `heldMs` shows nothing older than five seconds. (It was
 * rendered after it was asked for, so that the way back is no excuse and no burden.)
 */
export function assertFresh(answer, at, what, heldMs = CLIENT_CACHE_MS) {
  const ageMs = answer.sentAt + heldMs - at;
  assert.ok(ageMs <= FRESH_FOR_MS, `${what}: asked for at ${answer.sentAt}, shown unflagged at ${ageMs} ms`);
  assert.ok(answer.receivedAt - at <= FRESH_FOR_MS, `${what}: received unflagged at ${answer.receivedAt - at} ms`);
}

/** Checks all of them; then fails with the first that failed, which says how many did: `lies`. */
function assertEach(answers, check) {
  const failures = answers.flatMap((answer) => {
    try {
      check(answer);
      return [];
    } catch (error) {
      return [error];
    }
  });
  if (failures.length > 0) throw Object.assign(failures[0], { lies: failures.length });
}

/** Promises 1 and 4 by our own stamps, on all answers of a probe. */
export function assertAnswers(answers) {
  assert.ok(answers.length > 0, 'the probe has answers');
  assertEach(answers, (answer) => {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assertContract(answer.body);
    for (const price of answer.body.prices.filter((price) => !price.stale)) {
      assertFresh(answer, price.confirmedAt, `${price.symbol} by its confirmation`);
    }
  });
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
 * venue's at some moment of the last five seconds; a flagged one, at some moment before. While a
 * symbol is frozen (Kraken alone does not tell its news: `frozen` is `{symbols, since, until}`) it may be
 * shown for longer, but not further away than what the rule for frozen symbols can see. Returns in
 * figures the longest time that a price was served unflagged after its venue had left it, those of
 * frozen symbols apart.
 */
export function assertTruthful(answers, truth, { heldMs = CLIENT_CACHE_MS, frozen } = {}) {
  const histories = new Histories(truth);
  const isFrozen = ({ symbol, source }, at) =>
    source === 'kraken' && frozen?.symbols.includes(symbol) && at >= frozen.since && !(at > frozen.until);
  const longest = { longest_unflagged_ms: 0, ...(frozen && { frozen_unflagged_ms: 0 }) };
  assertEach(answers, (answer) => {
    for (const price of answer.body.prices) {
      const told = `${price.symbol} ${price.price}`;
      const history = histories.of(price.source, price.symbol);
      const last = history.lastTrueAt(price.price, answer.receivedAt);
      assert.ok(last !== undefined, `${told} was never ${price.source}'s price`);
      if (price.stale) continue;
      const longestAs = (kind) => (longest[kind] = Math.max(longest[kind], answer.receivedAt - last));
      if (isFrozen(price, answer.receivedAt)) {
        const offBp = history.closestBp(price.price, answer.receivedAt - FROZEN_FOR_MS, answer.receivedAt);
        assert.ok(offBp <= FROZEN_BP, `frozen ${told} shown unflagged, ${offBp.toFixed(1)} bp off for ${FROZEN_FOR_MS} ms`);
        longestAs('frozen_unflagged_ms');
      } else {
        assertFresh(answer, last, `${told} by the truth of ${price.source}`, heldMs);
        longestAs('longest_unflagged_ms');
      }
    }
  });
  return longest;
}

/** Each venue's own record of its prices, made quick to ask. */
class Histories {
  #truth;
  #known = new Map();

  constructor(truth) {
    this.#truth = truth;
  }

  of(source, symbol) {
    const key = `${source} ${symbol}`;
    if (!this.#known.has(key)) this.#known.set(key, new History(this.#truth[source][symbol] ?? []));
    return this.#known.get(key);
  }
}

class History {
  /** From when to when each price was true. */
  #spans = new Map();
  #entries;

  constructor(entries) {
    this.#entries = entries.map(([from, text], i) => ({ from, until: entries[i + 1]?.[0] ?? Infinity, price: Number(text) }));
    for (const entry of this.#entries) {
      if (!this.#spans.has(entry.price)) this.#spans.set(entry.price, []);
      this.#spans.get(entry.price).push(entry);
    }
  }

  /** When `price` was true for the last time, not after `at`; undefined if it never was. */
  lastTrueAt(price, at) {
    const span = this.#spans.get(price)?.findLast(({ from }) => from <= at);
    return span && Math.min(span.until, at);
  }

  /** How near `price` was to the truth at the best moment of a time. */
  closestBp(price, from, until) {
    const during = this.#entries.filter((entry) => entry.from <= until && entry.until >= from);
    return Math.min(...during.map((entry) => (Math.abs(entry.price - price) / entry.price) * 10_000));
  }
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
