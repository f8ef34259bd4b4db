// What has gone wrong with prices in this trade, played by market-sim from crates/market-sim/scenarios,
// each judged by what its file says must be published, and by the simulated exchanges' own record.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { root } from '../../scripts/places.mjs';
import { ended, isAllFrom, isFallback, isFrozen, isLive, isQuiet, of, startPath } from '../harness/path.mjs';
import { lasts } from '../harness/until.mjs';

const SCENARIOS = path.join(root, 'crates/market-sim/scenarios');
/** A fill of the edge: its hard age, and the request that brings it. */
const TO_THE_EDGE_MS = 2_500;
/** What the files of frozen venues say: nothing new is told from the one to the other. */
const [FROZEN_FROM_MS, FROZEN_UNTIL_MS] = [3_000, 25_000];

const seconds = (from, to) => (answer) => answer.at >= from * 1000 && answer.at < to * 1000;
const source = (symbol) => (answer) => of(answer, symbol).source;
const isFresh = (symbol) => (answer) => of(answer, symbol).stale === false;

/** What each file says, as `judge(answers, the path)`; each answer has `at`, ms since the script began. */
const INCIDENTS = {
  'flash-crash-on-one-venue': {
    name: 'a flash crash on one venue is never published, and the other serves meanwhile',
    lasts: 32,
    judge(answers) {
      assert.ok(answers.every(isQuiet), 'never flagged');
      assert.ok(answers.filter(seconds(6, 13)).every((answer) => source('BTC')(answer) === 'coinbase'));
      assert.ok(answers.filter(seconds(6, 13)).every((answer) => source('ETH')(answer) === 'kraken'), 'BTC alone');
    },
  },
  'real-crash-on-both': {
    name: 'a real crash on both is published within a second of the second source, at every stage and on the way back',
    lasts: 22,
    async judge(answers, { market, probes: [, originProbe], figures }) {
      const truth = await market.truth();
      const { request_times: polls } = (await market.stats()).coinbase;
      const stages = jumps(truth.coinbase.SOL);
      assert.equal(stages.length, 3, 'down, further down, up');
      const took = stages.map(({ at, price }) => {
        const seenAt = polls.find((poll) => poll > at);
        const isOut = (answer) => Math.abs(of(answer, 'SOL').price / price - 1) < 0.02 && isFresh('SOL')(answer);
        const published = (probe) => probe.find((answer) => answer.receivedAt > at && isOut(answer))?.receivedAt - seenAt;
        return { origin: published(originProbe.answers), edge: published(answers) };
      });
      figures.published_ms = Math.max(...took.map(({ origin }) => origin));
      figures.at_the_edge_ms = Math.max(...took.map(({ edge }) => edge));
      assert.ok(figures.published_ms <= 1000, JSON.stringify(took));
      assert.ok(figures.at_the_edge_ms <= 1000 + TO_THE_EDGE_MS, JSON.stringify(took));
    },
  },
  'shifted-decimal-point': {
    name: 'a shifted decimal point is never published, on whichever venue',
    lasts: 28,
    judge(answers) {
      assert.ok(answers.every(isQuiet), 'never flagged: one venue is right');
      assert.ok(answers.filter(seconds(6, 9)).every((answer) => source('BTC')(answer) === 'coinbase'));
      assert.ok(answers.filter(seconds(22.5, 25)).every(isAllFrom('coinbase')), 'every symbol');
    },
  },
  'second-source-silently-dead': {
    name: 'with the second source dead, a price a thousand times too high is never published and the last one is flagged',
    lasts: 30,
    judge(answers) {
      const meanwhile = answers.filter(seconds(13.2, 23));
      assert.ok(meanwhile.every((answer) => !isFresh('XRP')(answer) && isFresh('BTC')(answer)), 'XRP alone is flagged');
      assert.ok(answers.filter(seconds(8, 27)).every(({ body }) => body.sources.coinbase.status !== 'connected'), 'said all the while');
      assert.ok(answers.some((answer) => answer.at > 23_000 && isFresh('XRP')(answer)), 'and is fresh again');
    },
  },
  'print-on-the-fallback-alone': {
    name: 'a print on the fallback alone changes nothing but a mark',
    lasts: 25,
    judge(answers) {
      assert.ok(answers.every(isLive), 'Kraken throughout');
      const isUncertain = (answer) => of(answer, 'XRP').uncertain;
      assert.ok(answers.filter(seconds(19.5, 22)).every(isUncertain), 'marked');
      assert.ok(!answers.some((answer) => answer.at > 24_500 && isUncertain(answer)), 'and no longer');
    },
  },
  'frozen-venue': {
    name: 'a venue that keeps its connection and tells no news is left for the other',
    lasts: 40,
    isFrozen: true,
    judge: judgeFrozen,
  },
  'frozen-data-goes-on': {
    name: 'a venue whose data goes on and repeats itself is left for the other',
    lasts: 40,
    isFrozen: true,
    judge: judgeFrozen,
  },
  'backend-repeats-an-old-answer': {
    name: 'what a backend of the fallback repeats is never published, and is called frozen in time',
    lasts: 60,
    judge(answers) {
      assert.ok(answers.every(isLive), 'Kraken throughout');
      const isCalledFrozen = ({ body }) => body.sources.coinbase.reason === 'frozen';
      const first = answers.find(isCalledFrozen);
      assert.ok(first && first.at >= 42_000 && first.at <= 47_500, `called frozen at ${first?.at} ms`);
    },
  },
  'fallback-cancel-only': {
    name: 'a halted fallback is not taken for a source when the primary is silent',
    lasts: 34,
    judge(answers) {
      assert.ok(answers.filter(seconds(11.2, 20)).every(isFrozen), 'flagged');
      assert.ok(answers.every(isAllFrom('kraken')), 'nothing of Coinbase');
    },
  },
  'delisted-and-reused': {
    name: 'a coin both venues have delisted becomes unavailable, and its name comes back with a price of its own',
    lasts: 84,
    async judge(answers, { market }) {
      const isGone = ({ body }) => body.unavailable.includes('XRP');
      const gone = answers.filter(isGone);
      const between = answers.filter(({ at }) => at >= 10_000 && at < gone[0]?.at);
      assert.ok(between.length > 100 && between.every((answer) => !isFresh('XRP')(answer)), 'flagged until then');
      assert.ok(gone.length > 0 && gone[0].at >= 62_000 && gone[0].at <= 68_000, `unavailable at ${gone[0]?.at} ms`);
      const back = answers.find((answer) => answer.at > gone[0].at && !isGone(answer));
      assert.ok(back?.at > 74_000, `back at ${back?.at} ms`);
      const { coinbase } = await market.truth();
      const old = Number(coinbase.XRP[0][1]);
      assert.ok(of(back, 'XRP').price < old * 0.01, 'the new coin, and nothing between');
      assert.ok(answers.every((answer) => isFresh('BTC')(answer)), 'the others are unharmed');
    },
  },
  'impossible-numbers': {
    name: 'prices that cannot be are never published, and on both venues the last ones are flagged',
    lasts: 38,
    judge(answers) {
      assert.ok(answers.filter(seconds(0, 24)).every(isQuiet), 'one venue is right');
      assert.ok(answers.filter(seconds(7.5, 10)).every(isFallback));
      assert.ok(answers.filter(seconds(30.2, 34)).every(isFrozen));
      assert.ok(answers.filter(seconds(37, 38)).every(isQuiet), 'and fresh again');
    },
  },
  'skewed-clocks': {
    name: 'exchanges whose clocks are wrong change no price and no age',
    lasts: 27,
    judge(answers) {
      assert.ok(answers.every(isLive), 'Kraken throughout');
      for (const { body } of answers) for (const price of body.prices) assert.ok(price.asOf <= price.confirmedAt + 1000, JSON.stringify(price));
    },
  },
};

function judgeFrozen(answers, { figures }) {
  assert.ok(answers.every(isQuiet), 'never flagged');
  // Every symbol had its last news by then, and the market moved 3 s later.
  const left = answers.find((answer) => answer.at > FROZEN_FROM_MS && isFallback(answer));
  figures.left_after_ms = left?.at - FROZEN_FROM_MS;
  assert.ok(figures.left_after_ms <= 11_000 + TO_THE_EDGE_MS, `left after ${figures.left_after_ms} ms`);
  assert.ok(answers.filter(seconds(16.5, 25)).every(isFallback));
}

/** The moments at which a price moved by more than 10 % at once. */
function jumps(history) {
  return history.flatMap(([at, text], i) => {
    const price = Number(text);
    return i > 0 && Math.abs(price / Number(history[i - 1][1]) - 1) > 0.1 ? [{ at, price }] : [];
  });
}

test('every scenario file is judged', () => {
  const files = readdirSync(SCENARIOS).map((name) => path.basename(name, '.toml'));
  assert.deepEqual(files.sort(), Object.keys(INCIDENTS).sort());
});

test('bad prices of the past', { concurrency: 6 }, async (t) => {
  const cases = Object.entries(INCIDENTS).map(([file, { name, lasts: length, isFrozen, judge }]) =>
    t.test(name, async (t) => {
      const all = await startPath(t, { isOriginProbed: true });
      const { market, probe } = all;
      const beganAt = await market.play(path.join(SCENARIOS, `${file}.toml`));
      await lasts(length * 1000, beganAt);
      const figures = {};
      const during = (answers) =>
        answers.filter(({ sentAt }) => sentAt >= beganAt).map((answer) => ({ ...answer, at: answer.receivedAt - beganAt }));
      await judge(during(probe.answers), { ...all, figures });
      const symbols = probe.last.body.prices.map(({ symbol }) => symbol);
      const frozen = { symbols, since: beganAt + FROZEN_FROM_MS, until: beganAt + FROZEN_UNTIL_MS };
      await ended(t, all, { ...figures, frozen: isFrozen && frozen });
    }),
  );
  await Promise.all(cases);
});
