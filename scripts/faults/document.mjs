// docs/faults.md: the matrix as people read it. Pure.

import { tierOf } from './judge.mjs';

const number = (value) => (Number.isInteger(value) ? value.toLocaleString('en-US') : value.toFixed(1));
const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

export const showFigures = (figures) =>
  Object.entries(figures)
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${number(value)}`)
    .join(', ');

/** The head of the document, up to the figures of the last run. */
const PREAMBLE = `# Every fault is a test

What can break between an exchange and a phone, what must happen then, and what happened when \`make faults\` last
ran. The command runs every test named below, on real processes where it matters, and writes this page and
\`target/faults.json\`; \`ROWS=27,28 make faults\` runs some rows.

In every row with a client on it, each answer was checked by our own stamps and, where the prices come from a simulated
exchange (some Worker rows have a stub of an origin instead), by its record of its own prices: nothing served as fresh more than
5 s after it was confirmed, nor after its venue had left it; (epoch, seq) never backwards in one cache; no error from an
edge that once had prices; no panic but one on purpose, no memory or files kept. *Longest unflagged* is the time from a venue's leaving
a price to the last moment it was received as fresh. What Kraken has stopped telling while it stays connected can only be
found by comparing with Coinbase: such a price may stand for longer, but in none of these runs more than
25 bp off for more than 15 s; it counts as *frozen unflagged*.

Tiers: *virtual time* (the decisions, with a clock that is an argument), *network* (the Kraken connection on a simulated
network), *process* (origin, market-sim, redis-server, edge as real processes, faults by a proxy or by signals), *Worker* (the
built Worker in workerd).
`;

/** A row's line up to its result. */
export const rowLine = (row, fault, expected) => `| ${row} | ${cell(fault)} | ${cell(expected)} | `;
export const testsLine = (row, names) => `${row}. ${names.map((name) => `\`${name}\``).join('<br>')}`;

const MARKS = { pass: 'pass', fail: '**FAIL**', 'not-run': 'not run' };

/** The page. `total` as judged, `seconds` the run took. */
export function page(matrix, entries, total, seconds) {
  const byRow = new Map(entries.map((entry) => [entry.row, entry]));
  const lines = [PREAMBLE];
  lines.push(
    `**${total.passed} of ${total.rows} rows pass, ${total.failed} fail, ${total.notRun} are not run here** — ${total.tests} tests in ${Math.round(seconds)} s. ` +
      `${number(total.probed)} responses probed, ${number(total.probedReal)} of them of real processes, ${total.lies} lies; the longest time a price was served as fresh after its venue had left it: ` +
      `${number(total.longestUnflaggedMs)} ms (limit 5,000).`,
    '',
  );
  let group;
  for (const row of matrix) {
    if (row.group !== group) {
      group = row.group;
      lines.push(`## ${group}`, '', '| # | fault | expected | result | tier | figures |', '|---|---|---|---|---|---|');
    }
    const entry = byRow.get(row.row);
    const tiers = [...new Set(row.tests.map(tierOf))].join(', ');
    const told = entry.result === 'pass' ? showFigures(entry.figures) : entry.reason;
    lines.push(`${rowLine(row.row, row.fault, row.expected)}${MARKS[entry.result]} | ${tiers} | ${cell(told)} |`);
    if (matrix.find((next) => next.row === row.row + 1)?.group !== group) lines.push('');
  }
  lines.push('## The tests of each row', '');
  for (const row of matrix.filter((row) => row.tests.length > 0)) {
    lines.push(testsLine(row.row, row.tests));
  }
  return `${lines.join('\n')}\n`;
}
