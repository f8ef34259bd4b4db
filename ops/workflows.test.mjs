// The workflows, without running them: what they use is pinned, what they run is there, their rights are least.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import YAML from 'yaml';
import { PATH, root } from '../scripts/places.mjs';
import { isInstalled } from '../scripts/run/wait.mjs';
import { stages } from './harness/dockerfile.mjs';
import { commands, jobs, mistakes, steps, uses, workflows } from './harness/workflows.mjs';

const text = (file) => readFileSync(path.join(root, file), 'utf8');

const RUNNERS = ['ubuntu-22.04', 'ubuntu-24.04', 'ubuntu-22.04-arm', 'ubuntu-24.04-arm'];

test('every action is pinned to the commit of a version, or is an open point of SECURITY.md', () => {
  const [, open] = text('SECURITY.md').split('## Open points');
  const versions = new Map();
  const all = workflows().flatMap(({ file, text }) => uses(text).map((use) => ({ file, ...use })));
  assert.equal(all.length, workflows().flatMap(({ text }) => text.match(/\buses:/g) ?? []).length, 'some are written otherwise');
  for (const { file, what, version } of all.filter(({ what }) => !what.startsWith('./'))) {
    const isPinned = /^[\w-]+\/[\w/-]+@[0-9a-f]{40}$/.test(what) && /^v\d+\.\d+\.\d+$/.test(version ?? '');
    assert.ok(isPinned || open.includes(`\`${what}\``), `${file}: ${what} # ${version}`);
    const [action, commit] = what.split('@');
    assert.equal(versions.get(action) ?? commit, commit, `${action} is pinned twice`);
    versions.set(action, commit);
  }
});

test('images that no digest pins are open points of SECURITY.md', () => {
  const [, open] = text('SECURITY.md').split('## Open points');
  const built = stages(text('Dockerfile'));
  const bases = built.map(({ from }) => from).filter((from) => !built.some(({ name }) => name === from));
  const images = Object.values(YAML.parse(text('compose.yaml'), { merge: true }).services).flatMap(({ image }) => image ?? []);
  for (const image of [...bases, ...images]) assert.ok(image.includes('@sha256:') || open.includes(`\`${image}\``), image);
});

test('each job has its own least rights, an end, and a runner of a version', () => {
  for (const workflow of workflows()) {
    assert.deepEqual(workflow.permissions, {}, `${workflow.file}: nothing by default`);
    assert.ok(workflow.concurrency?.group, `${workflow.file}: two runs at a time`);
    assert.ok(!('pull_request_target' in workflow.on), `${workflow.file}: a stranger's change would have our rights`);
  }
  for (const { at, uses, with: given } of steps())
    if (uses?.startsWith('actions/checkout@')) assert.equal(given?.['persist-credentials'], false, `${at}: every later step could push`);
  const writes = {};
  for (const { at, permissions, steps, strategy, ...job } of jobs()) {
    assert.equal(typeof permissions, 'object', at);
    for (const [right, how] of Object.entries(permissions)) if (how === 'write') (writes[right] ??= []).push(at);
    if (!steps) continue;
    assert.ok(job['timeout-minutes'] <= 90, at);
    const runners = strategy ? strategy.matrix.include.map(({ runner }) => runner) : [job['runs-on']];
    for (const runner of runners) assert.ok(RUNNERS.includes(runner), `${at}: ${runner}`);
  }
  assert.deepEqual(writes, {
    packages: ['release.yml, image', 'release.yml, publish'],
    contents: ['release.yml, publish'],
    'id-token': ['release.yml, publish'],
    attestations: ['release.yml, publish'],
  });
});

test('what they run is there: scripts, make targets, environments of the Worker, the Rust that we build with', () => {
  const [, rust] = /^rust-version = "(.*)"$/m.exec(text('Cargo.toml'));
  const makefile = text('Makefile');
  const seen = new Set();
  for (const { at, run = '', 'working-directory': folder } of steps()) {
    assert.equal(folder, undefined, at);
    assert.ok(!run.includes('${{'), `${at}: an expression in a shell text is code of whoever writes its value`);
    const called = commands(run);
    for (const file of called.files) accessSync(path.join(root, file), constants.X_OK);
    for (const target of called.targets) assert.match(makefile, new RegExp(`^${target}:`, 'm'), at);
    for (const version of called.rust) assert.equal(version, rust, at);
    for (const name of called.environments) assert.match(text('wrangler.toml'), new RegExp(`^\\[env\\.${name}\\]$`, 'm'), at);
    for (const name of Object.values(called).flat()) seen.add(name);
  }
  for (const name of ['.ci/run', 'scripts/build-release', 'scripts/smoke', 'staging', 'production']) assert.ok(seen.has(name), `nobody runs ${name}`);
});

test('production is deployed after staging has been looked at, and waits for its reviewers', () => {
  const { staging, production } = workflows().find(({ file }) => file === 'deploy.yml').jobs;
  assert.equal(staging.environment, 'staging');
  assert.equal(production.environment, 'production');
  assert.equal(production.needs, 'staging');
  assert.match(staging.steps.at(-1).run, /^scripts\/smoke /);
});

test('nothing is released but what has been tested, and nothing of it comes from a cache', () => {
  const release = workflows().find(({ file }) => file === 'release.yml');
  assert.equal(release.jobs.test.uses, './.github/workflows/test.yml');
  for (const [name, { needs = [] }] of Object.entries(release.jobs)) if (name !== 'test' && name !== 'publish') assert.equal(needs, 'test', name);
  assert.ok(!release.text.includes('actions/cache@'));
});

test('what is in each program of a release is signed with it', () => {
  const { programs, publish } = workflows().find(({ file }) => file === 'release.yml').jobs;
  const packed = [...programs.steps.map(({ run = '' }) => run).join('\n').matchAll(/\bdist\/([\w-]+)/g)].map(([, program]) => program);
  const signed = publish.steps.flatMap((step) => step.with?.['sbom-path'] ?? []);
  assert.deepEqual(signed.toSorted(), packed.map((program) => `out/${program}.cdx.json`).toSorted());
  for (const program of packed) assert.match(text('scripts/sbom'), new RegExp(`^describe \\w+ ${program} `, 'm'));
});

test("GitHub's own parser understands them, and the expressions in them", async () => {
  assert.deepEqual(await mistakes(workflows()), []);
  const [of] = workflows().filter(({ file }) => file === 'deploy.yml');
  const broken = (from, to) => mistakes([{ ...of, text: of.text.replace(from, to) }]);
  assert.match((await broken('runs-on: ubuntu-24.04', 'run-on: ubuntu-24.04'))[0], /deploy\.yml: .*run-on/);
  assert.match((await broken('vars.EDGE_URL', 'var.EDGE_URL'))[0], /deploy\.yml: .*var/);
  assert.match((await broken('needs: staging', 'needs: stagin'))[0], /deploy\.yml: .*stagin/);
});

test('zizmor finds nothing of weight', { skip: isInstalled('zizmor', { PATH }) ? false : 'zizmor is not installed' }, async () => {
  await promisify(execFile)('zizmor', ['--offline', '--no-progress', '--strict-collection', '--min-severity=medium', '.'], { cwd: root, env: { ...process.env, PATH } });
});
