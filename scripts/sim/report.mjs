// What the simulation's tests print, read back. Pure.

/** What a run of the test binary has shown: one entry per test that ran its seeds. */
export function figures(output) {
  const lines = [...output.matchAll(/figures: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json));
  return lines.map(({ seeds, probed, longest_unflagged_ms: oldestMs }) => ({ seeds, answers: probed, oldestMs }));
}

/** The first failure: the seed, what it says, and in which test; `undefined` where none failed. */
export function failure(output) {
  const panic = /^thread '([^']+)'.* panicked at [^\n]*\n([^\n]*)/m.exec(output);
  if (!panic) return undefined;
  const [, test, message] = panic;
  return { test, message, seed: /\bseed (\d+)\b/.exec(message)?.[1] };
}

/** Sums over several runs. */
export function sum(all) {
  const add = (key) => all.reduce((total, one) => total + one[key], 0);
  return { seeds: add('seeds'), answers: add('answers'), oldestMs: Math.max(0, ...all.map((one) => one.oldestMs)) };
}
