// The rules and the dashboard ask for what an origin exports, each alert is tried, and the runbook
// knows it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import YAML from 'yaml';
import { request } from '../e2e/harness/http.mjs';
import { startMarket } from '../e2e/harness/market.mjs';
import { startOrigin } from '../e2e/harness/origin.mjs';
import { until } from '../e2e/harness/until.mjs';
import { PATH, root } from '../scripts/places.mjs';
import { isInstalled } from '../scripts/run/wait.mjs';
import { complaints, exported, read } from './harness/promql.mjs';
import { queries, rules, sections, tested } from './harness/watch.mjs';

const run = promisify(execFile);
const recorded = new Set(rules().flatMap(({ record }) => record ?? []));
const alerts = rules().flatMap(({ alert }) => alert ?? []);

/** What an origin exports that has both sources, suspects one symbol, and was asked for everything. */
async function samplesOfAnOrigin(t) {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  for (const resource of ['/api/v1/prices', '/api/v1/status', '/openapi.json', '/live', '/ready', '/nowhere']) await origin.ask(resource);
  await market.fault({ target: 'kraken', fault: 'frozen-symbol', symbol: 'BTC' });
  await market.fault({ target: 'both', fault: 'crash-on-both', symbol: 'BTC', percent: -4 });
  return until('an origin that compares both sources and suspects one', 40_000, async () => {
    const samples = exported((await request(origin.metricsUrl)).body);
    return samples.has('pricecast_divergence_bps') && samples.has('pricecast_suspected_frozen') && samples;
  });
}

test('the rules and the dashboard ask for metrics, labels and values that an origin exports', async (t) => {
  const samples = await samplesOfAnOrigin(t);
  const asked = [...rules().map(({ alert, record, ...rule }) => ({ title: alert ?? record, ...rule })), ...queries()];
  assert.ok(asked.length > 60, `${asked.length} expressions`);
  const wrong = asked.flatMap(({ title, expr, named }) => complaints(expr, { samples, recorded, named }).map((what) => `${title}: ${what}`));
  assert.deepEqual(wrong, []);
});

test('a misspelt metric, label or value is found', () => {
  const samples = exported('# TYPE a counter\npricecast_a_total{kind="x"} 1\npricecast_a_total{kind="y"} 1\npricecast_age{symbol="BTC"} 0.1\n');
  const of = (expr, named = []) => complaints(expr, { samples, recorded: new Set(['pricecast:made']), named });
  for (const [expr, named] of [
    ['sum by (job, kind) (rate(pricecast_a_total{kind=~"x|y"}[5m])) > 0', ['instance', 'kind']],
    ['pricecast_age{symbol="ETH"} and on (job) up{job="pricecast"} == 1', ['symbol']],
    ['pricecast:made > 1 unless on (job) ALERTS{alertname="A"}', ['job']],
  ]) assert.deepEqual(of(expr, named), [], expr);
  for (const [expr, named, complaint] of [
    ['rate(pricecast_b_total[5m])', [], 'nobody exports pricecast_b_total'],
    ['pricecast:unmade', [], 'nobody exports pricecast:unmade'],
    ['pricecast_a_total{kin="x"}', [], 'pricecast_a_total has no label kin'],
    ['pricecast_a_total{kind="z"}', [], 'pricecast_a_total has no kind="z"'],
    ['pricecast_a_total{kind=~"x|z"}', [], 'pricecast_a_total has no kind="z"'],
    ['sum by (kin) (pricecast_a_total)', [], 'nothing in it has a label kin'],
    ['pricecast_age', ['kind'], 'nothing in it has a label kind'],
  ]) assert.deepEqual(of(expr, named), [complaint], expr);
  assert.throws(() => read('sum(pricecast_a_total'), /does not parse/);
});

test('each alert is tried on both sides, and pages or makes a ticket', () => {
  const { raised, notRaised } = tested();
  const known = alerts.toSorted();
  assert.deepEqual([...raised].toSorted(), known);
  assert.deepEqual([...notRaised].toSorted(), known);
  for (const { alert, severity } of rules()) if (alert) assert.match(severity, /^(page|ticket)$/, alert);
});

test('the runbook has one section for each alert, in the order of the rules', () => {
  assert.deepEqual(sections(), alerts);
});

test('promtool finds the rules right and each alert raised by what must raise it', {
  skip: isInstalled('promtool', { PATH }) ? false : 'promtool is not installed',
}, async () => {
  const promtool = (...args) => run('promtool', args, { cwd: path.join(root, 'ops/prometheus'), env: { ...process.env, PATH } });
  await promtool('check', 'config', 'prometheus.yml');
  await promtool('check', 'config', '--agent', 'agent.yml');
  await promtool('test', 'rules', 'rules.test.yml', 'looks.test.yml');
});

test('every origin is scraped alike under a name of its own, and an agent judges nothing', () => {
  const [whole, agent] = ['prometheus.yml', 'agent.yml'].map((file) => YAML.parse(readFileSync(path.join(root, 'ops/prometheus', file), 'utf8')));
  assert.deepEqual(agent.scrape_configs, whole.scrape_configs);
  assert.equal(agent.global.scrape_interval, whole.global.scrape_interval);
  for (const { labels } of agent.scrape_configs.flatMap(({ static_configs }) => static_configs)) assert.ok(labels.instance);
  assert.deepEqual(whole.rule_files, ['rules.yml']);
  assert.equal(agent.rule_files, undefined);
});
