// The two faces a client may meet: the Worker, and with CDN delivery the origin behind a zone's cache.
// They are asked the same questions, and give the same answers.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertContract, assertProblem } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json, request } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startColdOrigin, startOrigin } from './harness/origin.mjs';
import { until } from './harness/until.mjs';

const SECRET = 'a-secret-of-this-test';
const STATUS = '/api/v1/status';
const ON_THEIR_WAY = 'public, max-age=1, stale-while-revalidate=1, stale-if-error=0';
/** Made by the server around our answer. */
const TRANSPORT = ['content-length', 'transfer-encoding', 'connection', 'keep-alive'];
/** In which the faces may differ; `Vary` because the origin has its own gzip, and Cloudflare makes the Worker's. */
const DIFFER = ['age', 'date', 'cache-status', 'server-timing', 'vary', 'pricecast-edge-version'];
/** Another value each time. */
const MOVE = ['etag', 'pricecast-now'];

/** Both faces of one feed: `ask(path, options)` as a client would. */
async function startFaces(t) {
  const market = await startMarket(t);
  const env = { PRICECAST_HTTP__DELIVERY: 'cdn', PRICECAST_ACCESS__SECRETS: SECRET };
  const origin = await startOrigin(t, market, env);
  const edge = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: SECRET, CACHE_IN_FRONT: 'on' } });
  // The header is what the zone's transform adds.
  const cdn = {
    ask: (path = PRICES, { headers, ...options } = {}) =>
      request(`${origin.url}${path}`, { headers: { ...headers, 'pricecast-origin-secret': SECRET }, ...options }),
  };
  await until('prices', 10_000, async () => (await edge.ask()).status === 200);
  return { market, origin, faces: { worker: edge, cdn } };
}

/** The Worker answers what is no question for prices without looking at a copy: it knows no clock of the origin's then, nor its market. */
const OF_A_COPY = ['pricecast-now', 'pricecast-market'];

function headersOf({ status, headers }) {
  const left = [...TRANSPORT, ...DIFFER, ...(status === 200 || status === 304 ? [] : OF_A_COPY)];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !left.includes(name)).map(([name, value]) => [name, MOVE.includes(name) ? '*' : value]));
}

test('the same question has the same status and headers at both faces, and says who may keep the answer', async (t) => {
  const { faces } = await startFaces(t);
  const noStore = { 'cache-control': 'no-store' };
  const prices = { 'cache-control': 'public, max-age=1', 'cloudflare-cdn-cache-control': ON_THEIR_WAY };
  const status = { 'cache-control': 'public, max-age=5', 'cloudflare-cdn-cache-control': undefined };
  for (const [path, options, code, expected] of [
    [PRICES, {}, 200, prices],
    ['/v1/prices', {}, 200, prices],
    [`${PRICES}?`, {}, 200, prices],
    [`${PRICES}?_=1706900000000`, {}, 200, prices],
    [`${PRICES}?__cf_chl_tk=x`, {}, 200, prices],
    [PRICES, { method: 'HEAD' }, 200, prices],
    [PRICES, { headers: { 'if-none-match': '*' } }, 304, prices],
    [PRICES, { headers: { 'if-none-match': '"none of ours"' } }, 200, prices],
    [STATUS, {}, 200, status],
    [`${STATUS}?`, {}, 200, status],
    [STATUS, { method: 'HEAD' }, 200, status],
    [STATUS, { headers: { 'if-none-match': '*' } }, 304, status],
    [STATUS, { method: 'OPTIONS' }, 204, noStore],
    [STATUS, { method: 'PUT' }, 405, noStore],
    [`${STATUS}/`, {}, 404, noStore],
    ['/v1/status', {}, 404, noStore],
    [PRICES, { method: 'OPTIONS' }, 204, noStore],
    [PRICES, { method: 'POST' }, 405, noStore],
    [PRICES, { method: 'DELETE' }, 405, noStore],
    [`${PRICES}/`, {}, 404, noStore],
    ['/API/v1/prices', {}, 404, noStore],
    ['/', {}, 404, noStore],
    ['/.env', { method: 'HEAD' }, 404, noStore],
    ['/nowhere', { method: 'OPTIONS' }, 404, noStore],
  ]) {
    const answers = await Promise.all(Object.values(faces).map((face) => face.ask(path, options)));
    const what = `${options.method ?? 'GET'} ${path}`;
    for (const answer of answers) {
      assert.equal(answer.status, code, what);
      for (const [name, value] of Object.entries(expected)) assert.equal(answer.headers[name], value, `${what}: ${name}`);
      if (options.method === 'HEAD') assert.equal(answer.body, '', what);
      else if (code >= 400) assertProblem(answer, code, json(answer).code);
    }
    const [worker, cdn] = answers.map(headersOf);
    assert.deepEqual(cdn, worker, what);
  }
});

test('the same publication is the same bytes under the same tag at both faces', async (t) => {
  const { market, faces } = await startFaces(t);
  await market.fault({ target: 'both', fault: 'silence' });
  // Nothing is confirmed any more, so both end with one publication and all its flags.
  const [worker, cdn] = await until('one last publication at both', 20_000, async () => {
    const answers = await Promise.all(Object.values(faces).map((face) => face.ask()));
    const [a, b] = answers.map(json);
    return a.mode === 'frozen' && b.mode === 'frozen' && answers[0].headers.etag === answers[1].headers.etag && answers;
  });
  assertContract(json(cdn));
  assert.equal(cdn.body, worker.body);
});

test('a query is refused by the Worker and ignored behind the cache, whose key has none', async (t) => {
  const { faces } = await startFaces(t);
  assertProblem(await faces.worker.ask(`${PRICES}?symbol=BTC`), 400, 'query_not_allowed');
  const answer = await faces.cdn.ask(`${PRICES}?symbol=BTC`);
  assert.equal(answer.status, 200);
  assertContract(json(answer));
});

test('behind the cache too nothing is told without the secret', async (t) => {
  const { origin } = await startFaces(t);
  assertProblem(await request(`${origin.url}${PRICES}`), 403, 'forbidden');
});

test('before any price is known both faces say so, and that it is not to be kept', async (t) => {
  const edge = await startEdge(t, { origins: ['http://127.0.0.1:9'], vars: { CACHE_IN_FRONT: 'on' } });
  const market = await startMarket(t);
  await market.fault({ target: 'both', fault: 'silence' });
  const origin = await startColdOrigin(t, market, { PRICECAST_HTTP__DELIVERY: 'cdn' });
  for (const answer of [await edge.ask(), await request(`${origin.url}${PRICES}`)]) {
    assertProblem(answer, 503, 'no_data_yet');
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.equal(answer.headers['cloudflare-cdn-cache-control'], undefined);
    assert.ok(Number(answer.headers['retry-after']) >= 1);
  }
});
