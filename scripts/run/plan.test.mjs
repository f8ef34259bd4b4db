import assert from 'node:assert/strict';
import test from 'node:test';
import { plan } from './plan.mjs';

const child = (run, name) => run.children.find((c) => c.name === name);

test('by default everything is on the documented ports and the market is simulated', () => {
  const run = plan({}, '/repo');
  assert.deepEqual(run.ports, { EDGE_PORT: 8787, ORIGIN_PORT: 8080, METRICS_PORT: 9090, SIM_PORT: 9900 });
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
  const firstPorts = Object.values(first.ports);
  assert.ok(Object.values(second.ports).every((port) => !firstPorts.includes(port)));
  assert.notEqual(first.folder, second.folder);
});

test('a simulated market leaves no state to a live one', () => {
  const state = (env) => child(plan(env, '/repo'), 'origin').env.PRICECAST_STATE_DIR;
  assert.notEqual(state({}), state({ MARKET: 'live' }));
});

for (const [env, named] of [
  [{ EDGE_PORT: 'http' }, 'EDGE_PORT="http"'],
  [{ SIM_PORT: '0' }, 'SIM_PORT="0"'],
  [{ ORIGIN_PORT: '65536' }, 'ORIGIN_PORT="65536"'],
  [{ MARKET: 'Live' }, 'MARKET="Live"'],
]) {
  test(`${named} is refused by name`, () => {
    assert.throws(() => plan(env, '/repo'), (error) => error.message.includes(named));
  });
}
