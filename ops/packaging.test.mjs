// What is shipped besides the code: image, compose file, systemd unit, example configurations. No
// container engine is needed: what the files say is compared with each other, and with the program.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import YAML from 'yaml';
import { binary, freshFolder } from '../e2e/harness/paths.mjs';
import { PATH, root } from '../scripts/places.mjs';
import { isInstalled } from '../scripts/run/wait.mjs';
import { isSent, last, stages } from './harness/dockerfile.mjs';

const run = promisify(execFile);
const text = (file) => readFileSync(path.join(root, file), 'utf8');
const skipWithout = (program) => (isInstalled(program, { PATH }) ? false : `${program} is not installed`);
const env = { ...process.env, PATH };

const image = stages(text('Dockerfile'));
const stage = (name) => image.find((stage) => stage.name === name) ?? assert.fail(`no stage ${name}`);
const compose = YAML.parse(text('compose.yaml'), { merge: true });

/** The program's own word on a configuration: nothing of this process's environment is in it. */
async function check(configuration, args = []) {
  const { stdout } = await run(binary('pricecast-origin'), [...args, '--check'], { cwd: '/', env: configuration });
  return stdout;
}

/** Values as compose fills them in with nothing set: `${NAME:-default}`. */
const filled = (environment) =>
  Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, value.replace(/\$\{\w+:-([^}]*)\}/, '$1')]));

test('the images are built from named stages and versions, and run as nobody', () => {
  const names = image.map(({ name }) => name);
  for (const { name, from, steps } of image) {
    if (!names.includes(from)) assert.match(from, /:[\w.-]+$/, `${name} is built on ${from}, of no version`);
    assert.doesNotMatch(from, /:latest$/);
    for (const { value } of steps.filter(({ instruction }) => instruction === 'COPY')) {
      const of = /--from=(\S+)/.exec(value)?.[1];
      assert.ok(of === undefined || names.indexOf(of) < names.indexOf(name), `${name} copies from ${of}`);
    }
  }
  for (const name of ['origin', 'market-sim']) assert.equal(last(stage(name), 'USER'), '65532:65532');
  assert.equal(image.at(-1).name, 'origin', 'what is built when no target is named');
});

test('the image starts what the build makes, and asks it whether it lives in words that it knows', async () => {
  const built = stage('build').steps.map(({ value }) => value).join(' ');
  const script = /(scripts\/\S+)/.exec(built)[1];
  assert.ok(existsSync(path.join(root, script)), script);
  const [program] = JSON.parse(last(stage('origin'), 'ENTRYPOINT'));
  assert.equal(program, '/usr/local/bin/pricecast-origin');
  const [asked, ...args] = JSON.parse(/CMD (\[.*\])/.exec(last(stage('origin'), 'HEALTHCHECK'))[1]);
  assert.equal(asked, program);
  await assert.rejects(run(binary('pricecast-origin'), args, { env: { PRICECAST_METRICS__LISTEN: '127.0.0.1:1' } }), /healthcheck: ask http:\/\/127\.0\.0\.1:1\/live/);
});

test('the image begins without a secret only where it says so, and its folder is its own', async () => {
  const of = Object.fromEntries(last(stage('origin'), 'ENV').split(' ').map((pair) => pair.split('=')));
  await assert.rejects(check(of), /is reachable from outside without a secret/);
  await check({ ...of, PRICECAST_ACCESS__SECRETS: 'a-secret-of-a-test' });
  assert.equal(last(stage('origin'), 'VOLUME'), of.PRICECAST_STATE_DIR);
  const copies = stage('origin').steps.filter(({ instruction }) => instruction === 'COPY').map(({ value }) => value);
  assert.ok(copies.some((value) => value.includes('--chown=65532:65532') && value.endsWith(` ${of.PRICECAST_STATE_DIR}`)), copies.join('\n'));
});

test('the builder is sent what the build reads, and nothing private', async () => {
  const ignore = text('.dockerignore');
  const { stdout } = await run('git', ['ls-files', 'Cargo.toml', 'Cargo.lock', 'cli', 'crates', 'edge', 'origin', 'scripts'], { cwd: root });
  const needed = stdout.trim().split('\n').filter((file) => !file.endsWith('.example'));
  assert.ok(needed.length > 200, `${needed.length} files`);
  assert.deepEqual(needed.filter((file) => !isSent(file, ignore)), []);
  for (const file of ['.git/config', '.dev.vars', 'edge/.dev.vars', 'pricecast.toml', 'state/prices.json', 'target/release/x', 'origin/target/x', 'node_modules/x/y', 'ops/config/secret.env', 'origin/secret.env', 'edge/build/index.js'])
    assert.equal(isSent(file, ignore), false, `${file} would be sent`);
});

test('hadolint finds nothing in the Dockerfile', { skip: skipWithout('hadolint') }, () => run('hadolint', ['Dockerfile'], { cwd: root, env }));

test('every service is locked down, of a version or of the Dockerfile, and open on loopback alone', () => {
  for (const [name, service] of Object.entries(compose.services)) {
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    if (service.image) assert.match(service.image, /:v?\d+\.[\w.-]+$/, `${name} is of no version`);
    else stage(service.build.target);
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/, name);
    const others = Array.isArray(service.depends_on) ? service.depends_on : Object.keys(service.depends_on ?? {});
    for (const other of others) assert.ok(other in compose.services, `${name} waits for ${other}`);
  }
});

test('what compose mounts is there, and its volumes are declared', () => {
  for (const mount of Object.values(compose.services).flatMap(({ volumes = [] }) => volumes)) {
    const [source] = mount.split(':');
    if (source.startsWith('./')) assert.ok(existsSync(path.join(root, source)), source);
    else assert.ok(source in compose.volumes, source);
  }
});

test('the origin takes the environment that compose gives it, on the market that compose starts', async () => {
  const of = Object.fromEntries(last(stage('origin'), 'ENV').split(' ').map((pair) => pair.split('=')));
  const given = filled(compose.services.origin.environment);
  await check({ ...of, ...given });
  for (const key of ['PRICECAST_KRAKEN__URL', 'PRICECAST_COINBASE__URL', 'PRICECAST_REDIS__URL'])
    assert.ok(new URL(given[key]).hostname in compose.services, given[key]);
  await assert.rejects(check({ ...of, ...given, PRICECAST_KRAKEN__URI: 'x' }), /PRICECAST_KRAKEN__URI/);
});

test('Prometheus and Grafana look where the metrics, the rules and the dashboard are', () => {
  const { prometheus, origin, grafana } = compose.services;
  assert.equal(prometheus.network_mode, 'service:origin');
  assert.equal(prometheus.depends_on.origin.restart, true, 'it would stay in a network that is gone');
  const port = /--web\.listen-address=\S+:(\d+)/.exec(prometheus.command.join(' '))[1];
  const source = YAML.parse(text('ops/grafana/provisioning/datasources/prometheus.yml')).datasources[0];
  assert.equal(source.url, `http://origin:${port}`);
  assert.ok(origin.ports.includes(`127.0.0.1:${port}:${port}`));
  const { scrape_configs } = YAML.parse(text('ops/prometheus/prometheus.yml'));
  assert.deepEqual(scrape_configs[0].static_configs[0].targets, ['127.0.0.1:9090']);
  const folder = YAML.parse(text('ops/grafana/provisioning/dashboards/pricecast.yml')).providers[0].options.path;
  assert.ok(grafana.volumes.includes(`./ops/grafana/pricecast.json:${folder}/pricecast.json:ro`));
  assert.equal(grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH, `${folder}/pricecast.json`);
  // It comes with an administrator whose password everybody knows: there is no way to log in.
  assert.equal(grafana.environment.GF_AUTH_DISABLE_LOGIN_FORM, 'true');
  assert.equal(grafana.environment.GF_AUTH_BASIC_ENABLED, 'false');
});

test('the example configurations are whole with their secrets, and three origins are none without', async () => {
  const secrets = {
    PRICECAST_ACCESS__SECRETS: 'a-secret-of-a-test',
    PRICECAST_WEBHOOK__URL: 'https://hooks.example.com/x',
    PRICECAST_REDIS__URL: 'redis://:password@10.0.0.5:6379',
  };
  const config = (name) => ['--config', path.join(root, 'ops/config', name)];
  assert.match(await check({}, config('one.toml')), /config: ok/);
  assert.match(await check(secrets, config('three.toml')), /config: ok/);
  await assert.rejects(check({}, config('three.toml')), /config: 1 problem\b[^]*redis\.url/);
  const keys = [...text('ops/config/secret.env.example').matchAll(/^(?:# )?(PRICECAST_\w+)=/gm)].map(([, key]) => key);
  assert.deepEqual(keys, Object.keys(secrets));
});

test('the service does not start with the secrets of the example, nor without', async () => {
  const given = Object.fromEntries([...text('ops/config/secret.env.example').matchAll(/^(PRICECAST_\w+)=(.*)$/gm)].map(([, ...pair]) => pair));
  await assert.rejects(check(given, ['--config', path.join(root, 'ops/config/one.toml')]), ({ code, stderr }) => {
    assert.equal(code, 64);
    assert.match(stderr, /config: 1 problem\b[^]*PRICECAST_ACCESS__SECRETS[^]*shorter than 16/);
    return true;
  });
  // A "-" before the path would tolerate that it is not there.
  assert.match(text('ops/systemd/pricecast-origin.service'), /^EnvironmentFile=\/etc\/pricecast\/secret\.env$/m);
});

test('each example of an origin listens where Terraform has its tunnel lead', () => {
  const [, service] = /^variable "origin_service" \{[^}]*?default\s*=\s*"(.*)"$/m.exec(text('terraform/variables.tf'));
  for (const name of ['one.toml', 'three.toml']) {
    const [, listen] = /^\[http\]\n(?:#.*\n)*listen = "(.*)"$/m.exec(text(`ops/config/${name}`));
    assert.equal(`http://${listen}`, service, name);
  }
});

test('the systemd unit is right, shuts everything that an origin does not need, and knows its exit codes', {
  skip: skipWithout('systemd-analyze'),
}, async (t) => {
  const unit = text('ops/systemd/pricecast-origin.service');
  assert.match(unit, /^RestartPreventExitStatus=64$/m);
  assert.match(unit, /^StartLimitIntervalSec=0$/m, 'it would be given up');
  // The origin allows itself 60 connections to Kraken in ten minutes; a start is one.
  assert.ok(Number(/^RestartSec=(\d+)s$/m.exec(unit)[1]) > 600 / 60);
  const [, manual] = /^Documentation=file:(\S+)$/m.exec(unit);
  assert.match(text('docs/operations.md'), new RegExp(`^sudo install -D .* ${manual}$`, 'm'));
  assert.match(unit, /^StateDirectory=pricecast$/m);
  assert.match(text('ops/config/one.toml'), /^state_dir = "\/var\/lib\/pricecast"$/m);
  // It asks whether the program is there, so it is shown the one that is.
  const file = path.join(freshFolder(t, 'systemd'), 'pricecast-origin.service');
  writeFileSync(file, unit.replaceAll('/usr/local/bin/pricecast-origin', binary('pricecast-origin')));
  const { stderr } = await run('systemd-analyze', ['verify', '--man=no', file], { env });
  assert.deepEqual(stderr.split('\n').filter((line) => line.includes(file)), [], 'a key that it does not know is but a warning');
  // Tenths: 1.2 is what is left to a service that must speak to the network.
  await run('systemd-analyze', ['security', '--offline=true', '--threshold=15', '--no-pager', file], { env });
});
