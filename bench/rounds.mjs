// What is compared is measured in turns, so that whatever else the machine does meets all alike:
// a ratio is taken within its own round.

/** Measures each of `cases` once a round; microseconds by name, one number per round. */
export async function inRounds(cases, rounds, { measure, tell = () => {} }) {
  const us = Object.fromEntries(cases.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    // Every second round the other way round: a machine that grows warm favours nobody.
    for (const each of round % 2 ? cases : cases.toReversed()) us[each.name].push(await measure(each));
    tell(round, us);
  }
  return us;
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median, and the middle half of all values. */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return { median: median(values), low: at(0.25), high: at(0.75) };
}

/** `a` in units of `b`, round by round. */
export const ratios = (a, b) => a.map((value, round) => value / b[round]);
