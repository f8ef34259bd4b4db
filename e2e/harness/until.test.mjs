import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from './until.mjs';

test('what is awaited may fail for a while', async () => {
  let looks = 0;
  const value = await until('the third look', 1000, () => {
    looks += 1;
    if (looks < 3) throw new Error('not yet');
    return 'here';
  });
  assert.equal(value, 'here');
});

test('what is asserted on the way may not', async () => {
  let looks = 0;
  await assert.rejects(
    until('never', 1000, () => assert.ok((looks += 1) > 1, 'held the second time only')),
    /held the second time only/,
  );
});

test('a wait that was in vain tells for what, and what was seen last', async () => {
  await assert.rejects(until('a sign', 40, () => null), { message: 'not within 0.04 s: a sign; last seen: null' });
  await assert.rejects(until('a sign', 40, () => Promise.reject(new Error('refused'))), /last seen: refused/);
});
