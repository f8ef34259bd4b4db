// The charts of docs/scale.md, in Vega-Lite.

import { DELIVERIES, SCENARIOS } from './names.mjs';

const LIMIT_S = 5;
const named = (row) => ({ ...row, delivery: DELIVERIES[row.delivery], scenario: SCENARIOS[row.scenario] });
const order = Object.values(DELIVERIES);

/** Age on screen by scenario and delivery: p50 to max, with the five-second line. */
export function ages({ rows }) {
  const values = rows.map(named).flatMap((row) =>
    ['p50', 'p99', 'max'].map((of) => ({ scenario: row.scenario, delivery: row.delivery, of, seconds: row[`age_ms_${of}`] / 1000 })),
  );
  const y = { field: 'delivery', type: 'nominal', sort: order, title: null };
  const x = { field: 'seconds', type: 'quantitative', title: 'age on screen, s', scale: { type: 'log', domain: [0.5, 100], nice: false }, axis: { values: [0.5, 1, 2, 5, 10, 20, 50, 100] } };
  return {
    data: { values },
    facet: { row: { field: 'scenario', type: 'nominal', sort: Object.values(SCENARIOS), title: null, header: { labelAngle: 0, labelAlign: 'left', labelOrient: 'top', labelFontWeight: 'bold' } } },
    spec: {
      width: 520,
      height: { step: 16 },
      layer: [
        { mark: { type: 'rule', color: '#bbb' }, encoding: { y, x: { aggregate: 'min', ...x }, x2: { aggregate: 'max', field: 'seconds' } } },
        { mark: { type: 'point', filled: true, size: 55, opacity: 1 }, encoding: { y, x, color: { field: 'of', type: 'nominal', sort: ['p50', 'p99', 'max'], title: null, scale: { domain: ['p50', 'p99', 'max'], range: ['#4c78a8', '#f2a541', '#d1495b'] } } } },
        { mark: { type: 'rule', color: '#d1495b', strokeDash: [4, 3] }, encoding: { x: { ...x, datum: LIMIT_S, field: undefined } } },
      ],
    },
  };
}

const users = { field: 'users', type: 'quantitative', scale: { type: 'log' }, axis: { format: '~s', grid: false, values: [1e3, 1e4, 1e5, 1e6, 5e6] } };
const color = { field: 'delivery', type: 'nominal', sort: order, title: null, legend: { labelLimit: 300 } };

/** A line for each delivery against the number of users, both scales logarithmic. */
function byUsers({ sizes }, title, y) {
  return {
    data: { values: sizes.map(named) },
    width: 520,
    height: 260,
    mark: { type: 'line', point: true },
    encoding: { x: { ...users, title }, y: { type: 'quantitative', scale: { type: 'log' }, ...y }, color },
  };
}

/** Origin requests a second against apps open at once. */
export const load = (report) =>
  byUsers(report, 'apps open at once', { field: 'origin_rps_mean', title: 'origin requests per second', axis: { values: [0.1, 1, 10, 100, 1000] } });

/** Dollars a month against users. */
export const costs = (report) =>
  byUsers(report, 'users, each with the app open five minutes a day', { field: 'usd_per_month', title: 'US dollars a month', axis: { format: '~s', values: [1, 10, 100, 1e3, 1e4] } });
