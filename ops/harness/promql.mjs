// What a PromQL expression asks for, and whether an origin exports it.

import { parser } from '@prometheus-io/lezer-promql';

/** Prometheus gives these to every series itself. */
const OF_THE_SCRAPE = ['job', 'instance'];
const OF_PROMETHEUS = new Map([
  ['up', {}],
  ['ALERTS', { alertname: null, alertstate: null, severity: null }],
]);
/** Labels whose values are not a list of ours, or not all there from the start. */
const OPEN = new Set([...OF_THE_SCRAPE, 'symbol', 'status', 'version']);

/** `{selectors: [{name, matchers: [{label, op, value}]}], labels}` of an expression; throws where it does not parse. */
export function read(expr) {
  const selectors = [];
  const labels = new Set();
  const text = (node) => expr.slice(node.from, node.to);
  parser.parse(expr).iterate({
    enter({ node, type, from }) {
      if (type.isError) throw new SyntaxError(`does not parse at ${from}: ${expr}`);
      if (type.name === 'VectorSelector') selectors.push({ name: text(node.getChild('Identifier')), matchers: [] });
      if (type.name === 'UnquotedLabelMatcher') {
        const [label, op, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((child) => text(node.getChild(child)));
        selectors.at(-1).matchers.push({ label, op, value: value.slice(1, -1) });
      }
      if (type.name === 'GroupingLabels') for (const label of node.getChildren('LabelName')) labels.add(text(label));
    },
  });
  return { selectors, labels };
}

/** Sample names of a text in the OpenMetrics format, each with its labels and their values. */
export function exported(text) {
  const samples = new Map();
  for (const line of text.split('\n').filter((line) => line && !line.startsWith('#'))) {
    const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line);
    if (!samples.has(name)) samples.set(name, {});
    for (const [, label, value] of labels.matchAll(/(\w+)="([^"]*)"/g)) (samples.get(name)[label] ??= new Set()).add(value);
  }
  return samples;
}

/**
 * What is wrong with an expression and the labels that its texts name, in sentences. `recorded`: what
 * rules make, of any labels.
 */
export function complaints(expr, { samples, recorded = new Set(), named = [] }) {
  const { selectors, labels } = read(expr);
  const found = [];
  const known = new Set(OF_THE_SCRAPE);
  let isRecorded = false;
  for (const { name, matchers } of selectors) {
    const of = samples.get(name) ?? OF_PROMETHEUS.get(name);
    if (recorded.has(name)) isRecorded = true;
    else if (!of) found.push(`nobody exports ${name}`);
    else for (const label of Object.keys(of)) known.add(label);
    for (const matcher of of ? matchers : []) found.push(...wrong(name, of, matcher));
  }
  // A recorded one has the labels that its rule left it, which the rule's own check sees to.
  for (const label of [...labels, ...named]) if (!known.has(label) && !isRecorded) found.push(`nothing in it has a label ${label}`);
  return found;
}

function wrong(name, of, { label, op, value }) {
  if (OF_THE_SCRAPE.includes(label)) return [];
  if (!(label in of)) return [`${name} has no label ${label}`];
  if (OPEN.has(label) || of[label] === null) return [];
  const values = op.includes('~') ? value.split('|') : [value];
  return values.filter((value) => !of[label].has(value)).map((value) => `${name} has no ${label}="${value}"`);
}
