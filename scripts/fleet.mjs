// `make fleet`: simulates five million phones, writes target/fleet.json, docs/scale.md and its charts.
//
//   make fleet SEED=7     another seed (default 1): the same seed gives the same page

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { draw } from './chart.mjs';
import { ages, load, costs } from './fleet/charts.mjs';
import { page } from './fleet/page.mjs';
import { root, target } from './places.mjs';

/** Those whose charts stand in the page: scale-<name>.svg. */
const CHARTS = { age: ages, origin: load, cost: costs };

function cargo(args) {
  const { status } = spawnSync('cargo', args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`cargo ${args.join(' ')} failed: the messages above say why`);
}

/** Simulates; resolves to everything that came of it. */
function simulate(seed) {
  const reportFile = path.join(target, 'fleet-report.json');
  const out = path.join(root, 'target/fleet.json');
  mkdirSync(path.dirname(out), { recursive: true });
  const binary = path.join(target, 'release/fleet-sim');
  const { status } = spawnSync(binary, ['--seed', seed, '--out', out, '--report', reportFile], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error('fleet-sim failed: its message is above');
  return JSON.parse(readFileSync(reportFile, 'utf8'));
}

try {
  const seed = process.env.SEED || '1';
  if (!/^\d+$/.test(seed)) throw new Error(`SEED="${seed}" is not a whole number`);
  cargo(['build', '--release', '--quiet', '-p', 'fleet-sim']);
  const report = simulate(seed);
  for (const [name, chart] of Object.entries(CHARTS)) await draw(path.join(root, `docs/scale-${name}.svg`), chart(report));
  writeFileSync(path.join(root, 'docs/scale.md'), page(report));
  console.log('fleet: docs/scale.md and its charts are written');
} catch (error) {
  console.log(`fleet: error: ${error.message}`);
  process.exitCode = 1;
}
