import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progress, reason } from './progress.mjs';

test('a status line tells executions, coverage and speed', () => {
  const line = '#65536\tpulse  cov: 1234 ft: 5678 corp: 90/12Kb lim: 4096 exec/s: 13107 rss: 190Mb';
  const expected = { execs: 65_536, coverage: 1234, features: 5678, corpus: 90, perSecond: 13_107 };
  assert.deepEqual(progress(line, {}), expected);
  assert.deepEqual(progress('INFO: seed corpus: files: 5', expected), expected);
  assert.deepEqual(progress('stat::number_of_executed_units: 70000', expected), { ...expected, execs: 70_000 });
});

test('a crash names its artefact and why', () => {
  const output = [
    "thread '<unnamed>' (7) panicked at fuzz_targets/kraken.rs:31:5:",
    '19 events of one frame',
    '==7== ERROR: libFuzzer: deadly signal',
    "artifact_prefix='x/'; Test unit written to x/crash-0a1b",
  ];
  assert.equal(output.reduce((at, line) => progress(line, at), {}).artefact, 'x/crash-0a1b');
  assert.equal(reason(output.join('\n')), '19 events of one frame (fuzz_targets/kraken.rs:31:5)');
  assert.equal(reason('==7== ERROR: libFuzzer: timeout after 10 seconds\nx'), 'libFuzzer: timeout after 10 seconds');
});
