// What the operator sets at the edge, and the secret it shares with the origin.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertProblem } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json, request } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

const SECRET = 'correct-horse-battery-staple';
const ANOTHER = 'another-horse-another-staple';

test('each bad variable is named in a clear 500, and nothing is fetched', { concurrency: 2 }, async (t) => {
  const stub = await startStub(t);
  const mistakes = [
    ['ORIGIN_URLS', ''],
    ['ORIGIN_URLS', 'prices.example.com'],
    ['ORIGIN_URLS', 'http://a,http://b,http://c,http://d'],
    ['ENVIRONMENT', 'a/b'],
    ['CLIENT_MAX_AGE_S', '3'],
    ['CORS_ORIGINS', 'app.example'],
    ['CACHE_IN_FRONT', 'yes'],
    ['HSTS_MAX_AGE_S', '-1'],
    ['ORIGIN_SECRET', 'two words of a secret'],
    ['ORIGIN_SECRET', 'fifteen-letters'],
  ];
  await Promise.all(
    mistakes.map(([name, value]) =>
      t.test(`${name}="${value}"`, async (t) => {
        const edge = await startEdge(t, { origins: [stub], vars: { [name]: value } });
        for (const path of [PRICES, '/health']) {
          const { detail } = assertProblem(await edge.ask(path), 500, 'misconfigured');
          assert.match(detail, new RegExp(`^${name} `));
          if (name === 'ORIGIN_SECRET') assert.ok(!detail.includes(value), 'a secret is never told');
        }
      }),
    ),
  );
  assert.equal(stub.fetches, 0);
});

test('every mistake is told at once', async (t) => {
  const edge = await startEdge(t, { vars: { CLIENT_MAX_AGE_S: '9', CACHE_IN_FRONT: '1' } });
  const { detail } = assertProblem(await edge.ask(), 500, 'misconfigured');
  for (const name of ['ORIGIN_URLS', 'CLIENT_MAX_AGE_S', 'CACHE_IN_FRONT']) assert.ok(detail.includes(name), detail);
});

test('the secret opens the origin, and is in no answer of the edge', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market, { PRICECAST_ACCESS__SECRETS: SECRET });
  assertProblem(await request(`${origin.url}${PRICES}`), 403, 'forbidden');
  const edge = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: SECRET } });
  const cold = await edge.ask();
  assert.equal(cold.status, 200);
  const answers = [cold, await edge.ask(), await edge.ask('/health'), await edge.ask('/nothing'), await edge.ask(PRICES, { method: 'OPTIONS' })];
  for (const { rawHeaders, body } of answers) assert.ok(!`${rawHeaders} ${body}`.includes(SECRET));
  assert.ok(!`${edge.logs} ${origin.log()}`.includes(SECRET), 'nor in a log');
});

test('a cold edge with the wrong secret, or none, has no prices and says why in /health', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market, { PRICECAST_ACCESS__SECRETS: SECRET });
  for (const vars of [{ ORIGIN_SECRET: ANOTHER }, {}]) {
    const edge = await startEdge(t, { origins: [origin], vars });
    const answer = await edge.ask();
    assertProblem(answer, 503, 'no_data_yet');
    assert.ok(!answer.body.includes(ANOTHER));
    assert.equal((await edge.health()).origin.lastFailure, 'status_403');
  }
});

test('an edge whose secret is no longer right goes on with the last known prices, flagged', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market, { PRICECAST_ACCESS__SECRETS: `${SECRET},${ANOTHER}` });
  const edge = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: SECRET } });
  assert.equal((await edge.ask()).status, 200);
  await origin.stop();
  await origin.start({ PRICECAST_ACCESS__SECRETS: ANOTHER });
  const flagged = await until('the flag', 8000, async () => {
    const answer = await edge.ask();
    assert.equal(answer.status, 200);
    return json(answer).stale && answer;
  });
  assert.equal(json(flagged).mode, 'frozen');
  assert.equal((await edge.health()).origin.lastFailure, 'status_403');
});
