// What a fault test shows: the promises held for every answer of its probes, and in figures.

import { assertAnswers, assertNeverBackwards, assertTruthful } from './check.mjs';

/**
 * Ends the probes and checks all their answers: nothing lost (4), by our own stamps (1), never
 * backwards in one cache (5), and by the market's own word (1, 2). Prints the figures, with
 * `further` ones of the test's own, and returns the answers of the first probe.
 *
 * `market`: none where the origin is a stub, whose stamps are all there is to go by. `heldMs`: how
 * long a client's own cache may show an answer, for the market's word; `frozen`: the `{symbols, since, until}`
 * whose news Kraken alone does not tell.
 */
export async function concluded(t, { market, probe, probes = [probe], heldMs, frozen }, further = {}) {
  const truth = await market?.truth();
  const all = await Promise.all(probes.map((each) => each.stop()));
  const told = { probed: all.flat().length, lies: 0 };
  try {
    for (const answers of all) {
      assertAnswers(answers);
      assertNeverBackwards(answers);
    }
    if (truth) {
      const answers = all.flat().filter((answer) => answer.receivedAt <= truth.now);
      Object.assign(told, assertTruthful(answers, truth, { heldMs, frozen }));
    }
  } catch (error) {
    told.lies = error.lies ?? 1;
    throw error;
  } finally {
    figures(t, { ...told, ...further });
  }
  return all[0];
}

/** Prints figures for the fault matrix: numbers by name. */
export function figures(t, numbers) {
  t.diagnostic(`figures: ${JSON.stringify(numbers)}`);
}

export const greatest = (numbers) => numbers.reduce((a, b) => Math.max(a, b), 0);
