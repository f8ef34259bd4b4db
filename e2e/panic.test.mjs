// What one request's panic costs the others, and what the recovery leans on. The drill is a build
// of the Worker that panics on demand.

import assert from 'node:assert/strict';
import test from 'node:test';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json } from './harness/http.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

const INTERNALS = `
import App from './build/index.js';
const kind = (value) => value === null ? 'null' : typeof value;
export default {
  fetch() {
    const state = globalThis.__worker_init_state;
    return Response.json({
      hot: kind(App.prototype.hot),
      state: kind(state),
      instanceId: kind(state?.instanceId),
      criticalError: kind(state?.criticalError),
    });
  },
};`;

test('the two internals of worker-build that the entry module leans on are there', async (t) => {
  const edge = await startEdge(t, { origins: ['http://127.0.0.1:1'], main: INTERNALS });
  assert.deepEqual(json(await edge.ask('/')), {
    hot: 'function',
    state: 'object',
    instanceId: 'number',
    criticalError: 'boolean',
  });
});

const drilled = async (t, initial) => {
  const stub = await startStub(t, initial);
  return { stub, edge: await startEdge(t, { origins: [stub], build: 'build/drill' }) };
};

/** 100 requests at once, each on its own connection, one of which panics at `place`. */
const hundred = (edge, place) =>
  Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      edge.ask(PRICES, { agent: undefined, headers: i === 50 ? { 'pricecast-drill': `${place}-${i}` } : {} }),
    ),
  );

test('a panic among 100 requests that wait for a cold edge leaves 100 answers', async (t) => {
  const { edge } = await drilled(t, behaviour.prices({ delayMs: 400 }));
  const answers = await hundred(edge, 'handler');
  assert.deepEqual(answers.map((answer) => answer.status), Array(100).fill(200));
  assert.match(edge.logs.join('\n'), /drill in the handler/, 'there was a panic');
});

test('a panic among 100 hits leaves 100 answers', async (t) => {
  const { edge } = await drilled(t);
  await edge.ask();
  const answers = await hundred(edge, 'hot');
  assert.deepEqual(answers.map((answer) => answer.status), Array(100).fill(200));
  assert.match(edge.logs.join('\n'), /drill in the hot/, 'there was a panic');
});

test('after a panic the shared cache refills the memory while the origin hangs', async (t) => {
  const { stub, edge } = await drilled(t);
  const { seq } = json(await edge.ask());
  await until('the fetch is settled', 3000, async () => (await edge.health()).origin.reachable);
  stub.behave = behaviour.hang();
  const [panicked] = await Promise.all([edge.ask(PRICES, { headers: { 'pricecast-drill': 'hot-1' } })]);
  assert.equal(panicked.status, 200);
  const answer = await edge.ask();
  assert.equal(json(answer).seq, seq);
  assert.ok(answer.receivedAt - answer.sentAt < 1000, `${answer.receivedAt - answer.sentAt} ms`);
});
