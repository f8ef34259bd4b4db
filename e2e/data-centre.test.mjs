// Several isolates of one data centre: what the shared cache spares the origin, and what it must
// not cost anybody.

import assert from 'node:assert/strict';
import test from 'node:test';
import { FRESH_FOR_MS, assertAnswers } from './harness/check.mjs';
import { startIsolates } from './harness/edge.mjs';
import { startProbe } from './harness/probe.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

const ISOLATES = 5;
const FOR_MS = 10_000;

async function startDataCentre(t) {
  const stub = await startStub(t, behaviour.prices({ delayMs: 60 }));
  const isolates = await startIsolates(t, ISOLATES, { origins: [stub] });
  const probes = isolates.map((isolate) => startProbe(t, isolate, { everyMs: 40 }));
  await until('prices from every isolate', 5000, () => probes.every((probe) => probe.last?.status === 200));
  return { stub, probes };
}

/** The stub's requests of `FOR_MS` from now, by the second. */
async function fetchesBySecond(stub) {
  const from = Date.now();
  await until(`${FOR_MS} ms are over`, FOR_MS + 1000, () => Date.now() >= from + FOR_MS);
  const seconds = Array(FOR_MS / 1000).fill(0);
  for (const { at } of stub.requests) {
    const second = Math.floor((at - from) / 1000);
    if (second >= 0 && second < seconds.length) seconds[second] += 1;
  }
  return seconds;
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

test('five isolates of one data centre fetch about as often as one', async (t) => {
  const { stub, probes } = await startDataCentre(t);
  const seconds = await fetchesBySecond(stub);
  for (const probe of probes) {
    const answers = await probe.stop();
    assertAnswers(answers);
    const oldest = Math.max(...answers.map((answer) => answer.ageMs));
    assert.ok(oldest <= 2500, `a price was ${oldest} ms old`);
  }
  t.diagnostic(`origin fetches by second: ${seconds.join(' ')}`);
  assert.ok(sum(seconds) <= 1.5 * seconds.length, `${sum(seconds)} fetches in ${seconds.length} s`);
});

test('five isolates share what they know of a failed origin', async (t) => {
  const { stub, probes } = await startDataCentre(t);
  stub.behave = behaviour.status(503);
  const failedAt = Date.now();
  const seconds = await fetchesBySecond(stub);
  for (const probe of probes) {
    const answers = await probe.stop();
    assertAnswers(answers);
    for (const { body, sentAt } of answers.filter(({ sentAt }) => sentAt > failedAt + FRESH_FOR_MS)) {
      assert.equal(body.mode, 'frozen', `${sentAt - failedAt} ms after the failure`);
    }
  }
  t.diagnostic(`origin fetches by second: ${seconds.join(' ')}`);
  assert.ok(sum(seconds) <= 1.5 * seconds.length, `${sum(seconds)} fetches in ${seconds.length} s`);
});
