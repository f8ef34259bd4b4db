import assert from 'node:assert/strict';
import test from 'node:test';
import { inRounds, median, ratios, spread } from './rounds.mjs';
import { summarise } from './report.mjs';

test('each case is measured once a round, every second round the other way round', async () => {
  const order = [];
  const us = await inRounds([{ name: 'a' }, { name: 'b' }], 3, { measure: ({ name }) => order.push(name) });
  assert.equal(order.join(''), 'abbaab');
  assert.deepEqual(us, { a: [1, 4, 5], b: [2, 3, 6] });
});

test('the median of an even number of values lies between the middle two', () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 7]), 6);
});

test('a spread is the median and the middle half', () => {
  assert.deepEqual(spread([5, 1, 4, 2, 3]), { median: 3, low: 2, high: 4 });
});

test('a ratio is taken within its round', () => {
  assert.deepEqual(ratios([2, 30], [1, 10]), [2, 3]);
});

test('what is judged is the median ratio, and nothing is said of what was not measured', () => {
  const edge = { us: { constant: [10, 20, 10], hit: [11, 20, 12], swr: [40, 40, 40] } };
  const results = summarise({ edge, size: { gzipBytes: 7 } });
  assert.equal(results.edge_hit_vs_constant_js, 1.1);
  assert.equal(results.edge_hit_vs_js_swr, 0.3);
  assert.equal(results.edge_gzip_bytes, 7);
  assert.equal(results.origin_vs_axum, undefined);
});
