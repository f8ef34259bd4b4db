// What a minute of users costs the origin: as much as one user.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { startEdge, startIsolates } from './harness/edge.mjs';
import { startFlood } from './harness/flood.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { lasts } from './harness/until.mjs';

const FOR_MS = 60_000;
const PER_SECOND = 500;

/** Asks all of `edges` for a minute, `PER_SECOND` together; every answer must be a 200. Origin fetches a second meanwhile. */
async function fetchesPerS(t, stub, edges) {
  for (const edge of edges) assert.equal((await edge.ask()).status, 200);
  const from = Date.now();
  const seen = ({ status }) => assert.equal(status, 200);
  const floods = edges.map((edge) => startFlood(t, edge, { connections: 4, depth: 2, perSecond: PER_SECOND / edges.length, seen }));
  await lasts(FOR_MS, from);
  const fetches = stub.requests.filter(({ at }) => at >= from && at < from + FOR_MS).length;
  const answered = (await Promise.all(floods.map((flood) => flood.stop()))).reduce((a, b) => a + b);
  t.diagnostic(`${answered} answers, ${fetches} origin fetches in ${FOR_MS / 1000} s`);
  assert.ok(answered >= (PER_SECOND * FOR_MS) / 1000 / 2, `only ${answered} answers`);
  return fetches / (FOR_MS / 1000);
}

describe('a minute of 500 requests a second', { concurrency: 2 }, () => {
  test('one isolate fetches once a second', async (t) => {
    const stub = await startStub(t, behaviour.prices({ delayMs: 60 }));
    const edge = await startEdge(t, { origins: [stub] });
    const perS = await fetchesPerS(t, stub, [edge]);
    assert.ok(perS <= 1.2, `${perS} origin fetches a second`);
  });

  test('four isolates of one data centre fetch hardly more often together', async (t) => {
    const stub = await startStub(t, behaviour.prices({ delayMs: 60 }));
    const isolates = await startIsolates(t, 4, { origins: [stub] });
    const perS = await fetchesPerS(t, stub, isolates);
    assert.ok(perS <= 1.5, `${perS} origin fetches a second`);
  });
});
