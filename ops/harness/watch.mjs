// The rules and the dashboard as lists of what they ask of Prometheus.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import YAML from 'yaml';
import { root } from '../../scripts/places.mjs';

const text = (file) => readFileSync(path.join(root, file), 'utf8');
const namesIn = (texts, pattern) => texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name]) => name));

/** Every rule: what it is called, its expression, the labels that its texts name. */
export function rules() {
  const { groups } = YAML.parse(text('ops/prometheus/rules.yml'));
  return groups.flatMap((group) => group.rules).map(({ alert, record, expr, labels, annotations = {} }) => {
    const named = namesIn(Object.values(annotations), /\$labels\.(\w+)/g);
    return { alert, record, expr, severity: labels?.severity, named };
  });
}

/** Every query of the dashboard, its variables and annotations included, with the panel's title. */
export function queries() {
  const dashboard = JSON.parse(text('ops/grafana/pricecast.json'));
  const ofPanels = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr: filled(expr), named: namesIn([legendFormat], /\{\{(\w+)\}\}/g) })));
  const ofVariables = dashboard.templating.list.filter(({ type }) => type === 'query').map(({ name, query }) => {
    const [, expr, label] = /^label_values\((.+), (\w+)\)$/.exec(query.query);
    return { title: `the variable ${name}`, expr, named: [label] };
  });
  const ofAnnotations = dashboard.annotations.list.map(({ name, expr, titleFormat }) =>
    ({ title: `the annotation ${name}`, expr: filled(expr), named: namesIn([titleFormat], /\{\{(\w+)\}\}/g) }));
  return [...ofPanels, ...ofVariables, ...ofAnnotations];
}

/** With Grafana's variables as Grafana would fill them in. */
const filled = (expr) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$job', 'pricecast');

/** The alerts that rules.test.yml raises, and those that it sees not raised. */
export function tested() {
  const cases = YAML.parse(text('ops/prometheus/rules.test.yml'), { merge: true }).tests.flatMap((test) => test.alert_rule_test ?? []);
  const of = (isRaised) => new Set(cases.filter(({ exp_alerts }) => exp_alerts.length > 0 === isRaised).map(({ alertname }) => alertname));
  return { raised: of(true), notRaised: of(false) };
}

/** The alerts that the runbook has a section for, in its order. */
export function sections() {
  return namesIn([text('docs/operations.md')], /^### (Pricecast\w+)$/gm);
}
