// /api/v1/status through the edge: held like the prices, ten times as long.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertProblem } from './harness/check.mjs';
import { PRICES, startEdge, startIsolates } from './harness/edge.mjs';
import { json } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { behaviour, startStub } from './harness/stub.mjs';
import { lasts, until } from './harness/until.mjs';

const STATUS = '/api/v1/status';
const SOFT_MS = 10_000;

/** A stub that answers both questions; `asked(url)` counts. */
async function startBoth(t) {
  const prices = behaviour.prices();
  const status = behaviour.fixed('{"generatedAt":"2026-11-21T22:40:03.100Z"}');
  const stub = await startStub(t, (request, ...rest) => (request.url === STATUS ? status : prices)(request, ...rest));
  return Object.assign(stub, { asked: (url) => stub.requests.filter((request) => request.url === url).length });
}

test('what an origin has measured is told by the edge, and still when the origin is gone', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  const edge = await startEdge(t, { origins: [origin] });
  const answer = await edge.ask(STATUS);
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.headers['cache-control'], 'public, max-age=5');
  assert.equal(answer.headers['pricecast-market'], 'custom');
  assert.match(answer.headers['pricecast-edge-version'], /^\d+\.\d+\.\d+$/);
  const report = json(answer);
  assert.equal(report.ages.length, 5);
  assert.equal(report.market, 'custom');
  assert.equal(report.errorBudget.objective, 0.9995);
  const known = await edge.ask(STATUS, { headers: { 'if-none-match': answer.headers.etag } });
  assert.deepEqual([known.status, known.body], [304, '']);
  await origin.stop();
  const later = await edge.ask(STATUS);
  assert.deepEqual([later.status, later.body], [200, answer.body]);
  assertProblem(await edge.ask(`${STATUS}?symbol=BTC`), 400, 'query_not_allowed');
});

test('where no origin ever answered there is no status, and it is said so', async (t) => {
  const edge = await startEdge(t, { origins: ['http://127.0.0.1:9'] });
  assertProblem(await edge.ask(STATUS), 503, 'no_data_yet');
});

test('however many ask, a data centre fetches the status once in ten seconds, and the prices as ever', async (t) => {
  const stub = await startBoth(t);
  const isolates = await startIsolates(t, 4, { origins: [stub] });
  const from = Date.now();
  let [answers, rounds] = [0, 0];
  while (Date.now() - from < 2.5 * SOFT_MS) {
    const asked = isolates.flatMap((edge) => [STATUS, STATUS, PRICES].map((path) => edge.ask(path)));
    for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
    answers += asked.length;
    rounds += 1;
    await lasts(rounds * 50, from);
  }
  t.diagnostic(`${answers} answers, ${stub.asked(STATUS)} fetches of the status, ${stub.asked(PRICES)} of the prices`);
  assert.ok(answers > 1_000, `only ${answers} answers`);
  assert.ok(stub.asked(STATUS) >= 2 && stub.asked(STATUS) <= 8, `${stub.asked(STATUS)} fetches of the status`);
  assert.ok(stub.asked(PRICES) > 15, `${stub.asked(PRICES)} fetches of the prices`);
  assert.equal(stub.asked(STATUS) + stub.asked(PRICES), stub.fetches);
});

test('another isolate takes the copy of its data centre instead of fetching', async (t) => {
  const stub = await startBoth(t);
  const [first, second] = await startIsolates(t, 2, { origins: [stub] });
  const answer = await first.ask(STATUS);
  const adopted = await until('adopted', 5_000, async () => {
    const adopted = await second.ask(STATUS);
    return adopted.status === 200 && adopted;
  });
  assert.equal(adopted.headers.etag, answer.headers.etag);
  assert.equal(stub.asked(STATUS), 1);
});
