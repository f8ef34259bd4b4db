// What cargo-mutants found (outcomes.json), counted by area. Pure.

/** Which files make an area; the first that fits. */
const AREAS = [
  ['health', /\/(breaker|backoff|coinbase|listing|kraken\/\w+)\.rs$/],
  ['freshness', /\/(snapshot|publish|poll)\.rs$/],
  ['aggregator', /\/(aggregate|aggregate\/\w+|plausibility)\.rs$/],
  ['lease', /\/lease\/\w+\.rs$/],
  ['cache policy', /\/cache_policy\/\w+\.rs$/],
];

const areaOf = (file) => AREAS.find(([, pattern]) => pattern.test(file))?.[0] ?? 'other';

/** A mutant without the place it stands at, so that its name outlives an edit above it. */
export const stableName = (name) => name.replace(/:\d+:\d+: /, ': ');

/** The mutants with a verdict: `{name, file, caught}`. One that does not compile is none. */
export function verdicts(outcomes) {
  const judged = { CaughtMutant: true, Timeout: true, MissedMutant: false };
  return outcomes.outcomes
    .filter(({ scenario, summary }) => scenario.Mutant && summary in judged)
    .map(({ scenario, summary }) => ({
      name: scenario.Mutant.name,
      file: scenario.Mutant.file,
      caught: judged[summary],
    }));
}

/** After a second pass, too: what the first has caught stays caught, whatever the second ran beside what was alive. */
export const afterBoth = (first, second) => first.map((mutant) => (mutant.caught ? mutant : (second.find(({ name }) => name === mutant.name) ?? mutant)));

/** Per area and for all together: how many, how many caught, and the share in per cent. */
export function score(all) {
  const row = (area, mutants) => {
    const caught = mutants.filter((mutant) => mutant.caught).length;
    return { area, caught, total: mutants.length, percent: mutants.length === 0 ? 100 : (100 * caught) / mutants.length };
  };
  const areas = [...AREAS.map(([area]) => area), 'other'];
  const rows = areas.map((area) => row(area, all.filter(({ file }) => areaOf(file) === area)));
  return [...rows.filter(({ total }) => total > 0), row('all', all)];
}

/** The survivors that `document` gives no reason for: it names each in back quotes. */
export function unexplained(all, document) {
  return all.filter(({ name, caught }) => !caught && !document.includes(`\`${stableName(name)}\``));
}
