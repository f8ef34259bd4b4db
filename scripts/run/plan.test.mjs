import assert from 'node:assert/strict';
import test from 'node:test';
import { plan } from './plan.mjs';

const child = (run, name) => run.children.find((c) => c.name === name);
/** By variable. */
const ports = (run) => Object.fromEntries(run.listens.map(({ name }) => [name, run.listens.filter((l) => l.name === name).map((l) => l.port)]));

test('by default everything is on the documented ports and the market is simulated', () => {
  const run = plan({}, '/repo');
  assert.deepEqual(ports(run), { EDGE_PORT: [8787], ORIGIN_PORT: [8080], METRICS_PORT: [9090], SIM_PORT: [9900] });
  assert.deepEqual(run.children.map((c) => c.name), ['market-sim', 'origin', 'edge']);
  assert.equal(child(run, 'origin').env.PRICECAST_KRAKEN__URL, 'ws://127.0.0.1:9900/v2');
  assert.ok(child(run, 'edge').command.includes('ORIGIN_URLS:http://127.0.0.1:8080'));
});

test('a live market starts no simulator and leaves the exchanges to the origin', () => {
  const run = plan({ MARKET: 'live' }, '/repo');
  assert.deepEqual(run.children.map((c) => c.name), ['origin', 'edge']);
  assert.equal(child(run, 'origin').env.PRICECAST_KRAKEN__URL, undefined);
  assert.equal(run.urls.control, undefined);
});

test('two runs on other ports share neither port nor folder', () => {
  const first = plan({}, '/repo');
  const second = plan({ EDGE_PORT: '8788', ORIGIN_PORT: '8081', SIM_PORT: '9901', METRICS_PORT: '9091' }, '/repo');
  const firstPorts = first.listens.map(({ port }) => port);
  assert.ok(second.listens.every(({ port }) => !firstPorts.includes(port)));
  assert.notEqual(first.folder, second.folder);
});

test('a simulated market leaves no state to a live one', () => {
  const state = (env) => child(plan(env, '/repo'), 'origin').env.PRICECAST_STATE_DIR;
  assert.notEqual(state({}), state({ MARKET: 'live' }));
});

test('several origins share a Redis, each on ports and with a state of its own, and the edge knows all', () => {
  const run = plan({ ORIGINS: '3', ORIGIN_PORT: '8180' }, '/repo');
  assert.deepEqual(ports(run).ORIGIN_PORT, [8180, 8181, 8182]);
  assert.deepEqual(ports(run).METRICS_PORT, [9090, 9091, 9092]);
  assert.deepEqual(ports(run).REDIS_PORT, [6390]);
  assert.deepEqual(run.needs, ['redis-server']);
  assert.deepEqual(run.children.map((c) => c.name), ['market-sim', 'redis', 'origin-1', 'origin-2', 'origin-3', 'edge']);
  const origins = [1, 2, 3].map((nth) => child(run, `origin-${nth}`));
  assert.deepEqual(origins.map((c) => c.env.PRICECAST_HTTP__LISTEN), ['127.0.0.1:8180', '127.0.0.1:8181', '127.0.0.1:8182']);
  assert.equal(new Set(origins.map((c) => c.env.PRICECAST_STATE_DIR)).size, 3);
  for (const { env } of origins) {
    assert.equal(env.PRICECAST_STORE, 'redis');
    assert.equal(env.PRICECAST_REDIS__URL, 'redis://127.0.0.1:6390');
  }
  assert.ok(child(run, 'edge').command.includes('ORIGIN_URLS:http://127.0.0.1:8180,http://127.0.0.1:8181,http://127.0.0.1:8182'));
});

test('one origin needs no Redis', () => {
  const run = plan({ ORIGINS: '1' }, '/repo');
  assert.deepEqual(run.needs, []);
  assert.equal(child(run, 'redis'), undefined);
  assert.equal(child(run, 'origin').env.PRICECAST_STORE, undefined);
});

test('ports that would meet are told before anything starts', () => {
  assert.throws(() => plan({ ORIGINS: '2', EDGE_PORT: '8081' }, '/repo'), /port 8081 is wanted twice, by EDGE_PORT and ORIGIN_PORT/);
});

for (const [env, named] of [
  [{ EDGE_PORT: 'http' }, 'EDGE_PORT="http"'],
  [{ SIM_PORT: '0' }, 'SIM_PORT="0"'],
  [{ ORIGIN_PORT: '65536' }, 'ORIGIN_PORT="65536"'],
  [{ ORIGINS: '4' }, 'ORIGINS="4"'],
  [{ ORIGINS: 'three' }, 'ORIGINS="three"'],
  [{ MARKET: 'Live' }, 'MARKET="Live"'],
]) {
  test(`${named} is refused by name`, () => {
    assert.throws(() => plan(env, '/repo'), (error) => error.message.includes(named));
  });
}
