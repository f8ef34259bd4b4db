// What the origin's log tells: each change once, each request under the trace that the edge began.

import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { cleanup } from './harness/cleanup.mjs';
import { startEdge } from './harness/edge.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { until } from './harness/until.mjs';

const SYMBOLS = ['BTC', 'ETH', 'SOL', 'XRP', 'DOGE'];
const JSON_LOG = { PRICECAST_LOG__FORMAT: 'json' };

/** Every line; each must be JSON. */
const lines = (origin) => origin.log().split('\n').filter(Boolean).map((line) => JSON.parse(line));

test('a change is told in one line, however long it lasts', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market, JSON_LOG);
  const mode = async () => JSON.parse((await origin.ask()).body).mode;
  await until('live', 15_000, async () => (await mode()) === 'live');
  const first = lines(origin).length;

  const silentAt = await market.fault({ target: 'kraken', fault: 'silence' });
  await until('fallback', 8000, async () => (await mode()) === 'fallback');
  // Through the end of its connection and a first attempt that finds silence.
  await until('8 s of silence', 9000, () => Date.now() > silentAt + 8000);
  await market.clear();
  const isLiveAgain = ({ message }) => message === 'mode: fallback -> live';
  await until('live again', 40_000, () => lines(origin).slice(first).some(isLiveAgain));

  const told = lines(origin).slice(first);
  const transitions = told.filter(({ transition }) => transition);
  const of = (kind) => transitions.filter(({ transition }) => transition === kind);
  for (const kind of ['failover', 'failback']) {
    assert.deepEqual(of(kind).map(({ symbol }) => symbol).sort(), [...SYMBOLS].sort(), `${kind}: one line for each symbol`);
  }
  assert.deepEqual(of('mode').map(({ message }) => message), ['mode: live -> fallback', 'mode: fallback -> live']);
  const statuses = of('status').map(({ message }) => message);
  assert.ok(statuses.every((message) => message.startsWith('kraken: ')), `${statuses}`);
  for (const [i, message] of statuses.entries()) {
    const [, from, to] = message.match(/^kraken: (\w+) -> (\w+)/);
    assert.notEqual(from, to, message);
    const before = i === 0 ? 'connected' : statuses[i - 1].match(/-> (\w+)/)[1];
    assert.equal(from, before, `each line goes on where the last one ended: ${statuses}`);
  }
  assert.match(statuses.at(-1), /-> connected$/);
  assert.ok(statuses.length <= 8, `${statuses}`);
  assert.deepEqual([...new Set(transitions.map(({ transition }) => transition))].sort(), ['failback', 'failover', 'mode', 'status']);
  // One for the connection that ended, one at most for each attempt after it.
  const ended = told.filter(({ message }) => message.startsWith('kraken: connection ended'));
  assert.ok(ended.length >= 1 && ended.length <= 4, `${ended.length} connections ended`);
  assert.ok(told.length <= transitions.length + ended.length + 4, `${told.length} lines in all`);
});

test('a request is told under the trace that the edge began, and a forged one is not', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market, { ...JSON_LOG, PRICECAST_LOG__LEVEL: 'info,pricecast_origin=debug' });
  const seen = [];
  const recorder = http.createServer((asked, answer) => {
    seen.push(asked.headers.traceparent);
    http.get(`${origin.url}${asked.url}`, { headers: asked.headers }, (given) => {
      answer.writeHead(given.statusCode, given.rawHeaders);
      given.pipe(answer);
    });
  });
  await new Promise((resolve) => recorder.listen(0, '127.0.0.1', resolve));
  cleanup(t, () => recorder.closeAllConnections() ?? recorder.close());
  const edge = await startEdge(t, { origins: [`http://127.0.0.1:${recorder.address().port}`] });

  const clients = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const answer = await edge.ask(undefined, { headers: { traceparent: clients } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.traceparent, undefined, 'none on an answer that caches keep');
  const [traceparent] = seen;
  const [, traceId, parentId] = traceparent.match(/^00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]$/);
  assert.notEqual(traceparent, clients, "the client's is not passed on");
  const line = await until('the line', 5000, () => lines(origin).find(({ trace_id }) => trace_id === traceId));
  assert.equal(line.parent_id, parentId);
  assert.equal(line.status, 200);
  assert.equal(line.resource, 'prices');

  // What is no trace goes into no log, whatever it holds.
  await new Promise((resolve, reject) => {
    http.get(`${origin.url}/live`, { headers: { traceparent: '00-"}\t{"level":"ERROR"-x-01' } }, (given) => given.resume().on('end', resolve)).on('error', reject);
  });
  const untraced = await until('the line', 5000, () => lines(origin).find(({ resource }) => resource === 'live'));
  assert.equal(untraced.trace_id, undefined);
});
