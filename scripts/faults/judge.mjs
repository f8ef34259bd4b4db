// From tests to rows: what a row's tests have shown, and what all rows show together. Pure.

/** Added over the tests of a row; every other figure is the greatest of them. */
const ADDED = new Set(['probed', 'lies']);

/** Where a test runs: in virtual time, on a simulated network, on real processes, or in workerd. */
export function tierOf(name) {
  if (/^rust \S*::simulated_network /.test(name)) return 'network';
  if (/^rust (pricecast-core|pricecast-wire)\b/.test(name)) return 'virtual time';
  if (name.startsWith('rust ')) return 'process';
  const worker = /^node e2e\/(faults\/(edge|malicious|deploy|load)|cache|clock|panic|origin-down|config|data-centre|http-contract)\.test/;
  return worker.test(name) ? 'Worker' : 'process';
}

export function mergeFigures(list) {
  const merged = {};
  for (const figures of list) {
    for (const [name, value] of Object.entries(figures)) {
      merged[name] = name in merged ? (ADDED.has(name) ? merged[name] + value : Math.max(merged[name], value)) : value;
    }
  }
  return merged;
}

/**
 * The entry of one row. `ended`: tests by name. A row passes when every test it names has run and
 * passed; without any, it is not run, and says why and how it can be.
 */
export function judgeRow({ row, fault, tests, notRun }, ended) {
  const entry = (result, reason, figures = {}) => ({ row, fault, result, figures, reason });
  if (tests.length === 0) {
    return notRun ? entry('not-run', `${notRun.reason}; drill: ${notRun.drill}`) : entry('fail', 'no test is named');
  }
  const seen = tests.map((name) => ended.get(name) ?? { name, outcome: 'failed', why: 'it did not run' });
  const figures = mergeFigures(seen.map((test) => test.figures ?? {}));
  const bad = (outcome) => seen.filter((test) => test.outcome === outcome).map((test) => `${test.name}: ${firstLine(test.why)}`);
  const [failed, skipped] = [bad('failed'), bad('skipped')];
  if (failed.length > 0) return entry('fail', failed.join('; '), figures);
  if (figures.lies > 0) return entry('fail', `${figures.lies} lies`, figures);
  if (skipped.length > 0) return entry('not-run', skipped.join('; '), figures);
  return entry('pass', '', figures);
}

const firstLine = (text) => String(text ?? '').trim().split('\n')[0].slice(0, 300);

/** What a run of the whole matrix must show to count: fewer rows or answers would prove less than the page says. */
const PASSED_MIN = 60;
const PROBED_MIN = 100_000;
const UNFLAGGED_MAX_MS = 5_000;

/** Why a run has failed; nothing if it has not. */
export function shortfalls({ failed, passed, probedReal, lies, longestUnflaggedMs }, { isWhole }) {
  return [
    failed > 0 && `${failed} rows`,
    lies > 0 && `${lies} lies`,
    longestUnflaggedMs > UNFLAGGED_MAX_MS && `a price was served as fresh ${longestUnflaggedMs} ms after its venue had left it`,
    isWhole && passed < PASSED_MIN && `${passed} rows passed, fewer than ${PASSED_MIN}`,
    isWhole && probedReal < PROBED_MIN && `${probedReal} responses of real processes were probed, fewer than ${PROBED_MIN}`,
  ].filter(Boolean);
}

/** What all rows show together. A test that serves several rows counts once. */
export function judgeAll(entries, ended) {
  const count = (result) => entries.filter((entry) => entry.result === result).length;
  const merged = (tests) => mergeFigures(tests.map((test) => test.figures ?? {}));
  const figures = merged([...ended.values()]);
  const isReal = ({ name }) => ['process', 'Worker'].includes(tierOf(name));
  return {
    rows: entries.length,
    passed: count('pass'),
    failed: count('fail'),
    notRun: count('not-run'),
    tests: ended.size,
    probed: figures.probed ?? 0,
    /** By a client of real processes; the others are of simulations. */
    probedReal: merged([...ended.values()].filter(isReal)).probed ?? 0,
    lies: figures.lies ?? 0,
    longestUnflaggedMs: figures.longest_unflagged_ms ?? 0,
  };
}
