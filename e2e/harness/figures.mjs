// What a fault test shows: the promises held for every answer of its probes, and in figures.

import { assertAnswers, assertNeverBackwards, assertTruthful } from './check.mjs';

/**
 * Ends the probes and checks all their answers: nothing lost (4), by our own stamps (1), never
 * backwards in one cache (5), and by the market's own word (1, 2). Prints the figures, with
 * `further` ones of the test's own, and returns the answers of the first probe.
 *
 * `market`: none where the origin is a stub, whose stamps are all there is to go by. `heldMs`: how
 * long a client's own cache may show an answer, for the market's word; `frozen`: symbols whose news
 * Kraken alone has stopped telling.
 */
export async function concluded(t, { market, probe, probes = [probe], heldMs, frozen }, further = {}) {
  const truth = await market?.truth();
  const all = [];
  for (const each of probes) {
    const answers = await each.stop();
    assertAnswers(answers);
    assertNeverBackwards(answers);
    all.push(answers);
  }
  const told = { probed: all.flat().length, lies: 0 };
  if (truth) {
    const answers = all.flat().filter((answer) => answer.receivedAt <= truth.now);
    told.longest_unflagged_ms = assertTruthful(answers, truth, { heldMs, frozen });
  }
  figures(t, { ...told, ...further });
  return all[0];
}

/** Prints figures for the fault matrix: numbers by name. A lie would have failed the test before. */
export function figures(t, numbers) {
  t.diagnostic(`figures: ${JSON.stringify(numbers)}`);
}
