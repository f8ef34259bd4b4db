// What a client sees of the contract at the edge: paths, methods, queries, headers, bodies.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertContract, assertProblem } from './harness/check.mjs';
import { PRICES, startEdge } from './harness/edge.mjs';
import { json, request } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

const SYMBOLS = ['BTC', 'ETH', 'SOL', 'XRP', 'DOGE'];
/** Set by the server around our answer, not by the Worker. */
const TRANSPORT = ['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'date'];

/** By so much the clock is told ahead where two tiers of a cache lie in front: they may hide it. */
const UNSEEN_TWO_TIERS_MS = 2_250;

/** An edge that holds a copy of a stub's, and the stub. */
async function warmEdge(t, vars) {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub], vars });
  assert.equal((await edge.ask()).status, 200);
  return { stub, edge };
}

const ours = (answer) => Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !TRANSPORT.includes(name)));

test('five prices come from kraken, live, in the order of the configuration', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  const edge = await startEdge(t, { origins: [origin] });
  const body = await until('mode live', 5000, async () => {
    const body = json(await edge.ask());
    return body.mode === 'live' && body;
  });
  assertContract(body);
  assert.deepEqual(body.prices.map((price) => price.symbol), SYMBOLS);
  assert.ok(body.prices.every((price) => price.source === 'kraken'));
  assert.deepEqual(body.unavailable, []);
});

test('the edge gives the bytes the origin gave', async (t) => {
  const market = await startMarket(t, ['--update-hz', '0']);
  const origin = await startOrigin(t, market);
  const edge = await startEdge(t, { origins: [origin] });
  const seen = new Map();
  const same = await until('one publication seen at both', 10_000, async () => {
    const [fromOrigin, fromEdge] = await Promise.all([request(`${origin.url}${PRICES}`), edge.ask()]);
    seen.set(fromOrigin.headers.etag, fromOrigin.body);
    return seen.has(fromEdge.headers.etag) && [seen.get(fromEdge.headers.etag), fromEdge.body];
  });
  assert.equal(same[1], same[0]);
});

test('a price has the exact digits its exchange gave', async (t) => {
  const market = await startMarket(t, ['--update-hz', '0']);
  // At both, for one alone would not be plausible.
  for (const venue of ['kraken', 'coinbase']) {
    await market.setPrice(venue, 'BTC', '67432.10');
    await market.setPrice(venue, 'DOGE', '0.1234500');
  }
  const origin = await startOrigin(t, market);
  const edge = await startEdge(t, { origins: [origin] });
  const { body } = await edge.ask();
  const truth = await market.truth();
  for (const symbol of SYMBOLS) {
    const [, digits] = body.match(new RegExp(`"symbol":"${symbol}","price":([^,]+),`));
    assert.equal(digits, truth.kraken[symbol].at(-1)[1], symbol);
  }
});

test('a hit has at most twelve headers, and says where it comes from and when', async (t) => {
  const { edge } = await warmEdge(t, { CACHE_IN_FRONT: 'on' });
  const before = Date.now();
  const answer = await edge.ask();
  const headers = ours(answer);
  assert.ok(Object.keys(headers).length <= 12, Object.keys(headers).join(', '));
  assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(headers['cache-control'], 'public, max-age=1');
  assert.equal(headers['cloudflare-cdn-cache-control'], 'public, max-age=1, stale-while-revalidate=1, stale-if-error=0');
  assert.equal(headers['cache-status'], 'pricecast; hit');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['access-control-allow-origin'], '*');
  const { epoch, seq } = json(answer);
  assert.equal(headers.etag, `"${epoch}-${seq}-0"`);
  const now = Number(headers['pricecast-now']);
  assert.equal(now % 100, 0);
  // The edge's clock stands at the last I/O, and its estimate errs towards later.
  const ahead = now - UNSEEN_TWO_TIERS_MS;
  assert.ok(ahead >= before - 50 && ahead <= answer.receivedAt + 200, `${ahead - before} ms after it was asked`);
  for (const absent of ['age', 'vary', 'server-timing', 'traceparent', 'set-cookie']) assert.equal(headers[absent], undefined, absent);
});

test('an answer that had to wait says for how long', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  const cold = await edge.ask();
  assert.match(cold.headers['cache-status'], /^pricecast; fwd=miss; stored$/);
  assert.match(cold.headers['server-timing'], /^wait;dur=\d+$/);
});

test('CLIENT_MAX_AGE_S=0 keeps answers out of every client cache', async (t) => {
  const { edge } = await warmEdge(t, { CLIENT_MAX_AGE_S: '0' });
  assert.equal((await edge.ask()).headers['cache-control'], 'no-store');
});

test('HEAD has the headers of GET and no body', async (t) => {
  const { edge } = await warmEdge(t);
  const get = await edge.ask();
  const head = await edge.ask(PRICES, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body, '');
  const timeless = (answer) => ({ ...ours(answer), 'pricecast-now': undefined });
  assert.deepEqual(timeless(head), timeless(get));
});

test('HEAD on a cold edge fetches as GET does', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  assert.equal((await edge.ask(PRICES, { method: 'HEAD' })).status, 200);
  assert.deepEqual(stub.requests.map(({ method, url }) => [method, url]), [['GET', PRICES]]);
});

test('OPTIONS is answered 204 for any page, without credentials and without a fetch', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  const answer = await edge.ask(PRICES, { method: 'OPTIONS', headers: { origin: 'https://app.example' } });
  assert.equal(answer.status, 204);
  assert.equal(answer.body, '');
  const { headers } = answer;
  assert.equal(headers['access-control-allow-origin'], '*');
  assert.equal(headers['access-control-allow-methods'], 'GET, HEAD, OPTIONS');
  assert.equal(headers['access-control-allow-headers'], 'If-None-Match, Cache-Control, Last-Event-ID');
  assert.equal(headers['access-control-max-age'], '86400');
  assert.equal(headers['access-control-allow-credentials'], undefined);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(stub.fetches, 0);
});

test('with an allow-list only the listed page is allowed, and caches are told', async (t) => {
  const { edge } = await warmEdge(t, { CORS_ORIGINS: 'https://app.example, https://www.example' });
  for (const [origin, allowed] of [
    ['https://app.example', 'https://app.example'],
    ['https://www.example', 'https://www.example'],
    ['https://evil.example', undefined],
    ['null', undefined],
    [undefined, undefined],
  ]) {
    for (const path of [PRICES, '/nothing/here']) {
      const answer = await edge.ask(path, { headers: origin ? { origin } : {} });
      assert.equal(answer.headers['access-control-allow-origin'], allowed, `${origin} at ${path}`);
      assert.match(answer.headers.vary, /Origin/, `${origin} at ${path}`);
    }
  }
});

test('the alias gives the same bytes from the same copy', async (t) => {
  const { stub, edge } = await warmEdge(t);
  const [long, short] = [await edge.ask(PRICES), await edge.ask('/v1/prices')];
  assert.equal(short.body, long.body);
  assert.equal(short.headers.etag, long.headers.etag);
  assert.equal(stub.fetches, 1);
});

test('queries that say nothing are taken for none', async (t) => {
  const { stub, edge } = await warmEdge(t);
  const { body } = await edge.ask();
  for (const query of ['?', '?_=1', '?_=1706900000000', '?__cf_x=1', '?__cf_chl_tk=a&_=2']) {
    const answer = await edge.ask(`${PRICES}${query}`);
    assert.equal(answer.status, 200, query);
    assert.equal(answer.body, body, query);
  }
  assert.equal(stub.fetches, 1);
});

test('queries, paths and methods that are not known are refused without a fetch', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub] });
  for (const query of ['?symbol=BTC', '?_=x', '?_=', '?_=1&_=2', '?cf_x=1', '?a', '?_=1?', '?%5F=1']) {
    assertProblem(await edge.ask(`${PRICES}${query}`), 400, 'query_not_allowed');
  }
  for (const path of ['/', '/api/v1/prices/', '/API/v1/prices', '/api/v2/prices', '//api/v1/prices', '/api%2Fv1/prices', '/live', '/ready', '/openapi.json', '/metrics', '/.pricecast/production/v1/snap']) {
    assertProblem(await edge.ask(path), 404, 'not_found');
  }
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const answer = await edge.ask(PRICES, { method, body: '{}' });
    assertProblem(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.allow, 'GET, HEAD, OPTIONS');
  }
  assert.equal(stub.fetches, 0);
});

test('a known tag is answered 304 in every way a client may write it', async (t) => {
  const { edge } = await warmEdge(t);
  const { headers } = await edge.ask();
  for (const known of [headers.etag, `W/${headers.etag}`, `"other", W/${headers.etag}`, `"a","b",${headers.etag}`, '*']) {
    const answer = await edge.ask(PRICES, { headers: { 'if-none-match': known } });
    assert.equal(answer.status, 304, known);
    assert.equal(answer.body, '');
    assert.equal(answer.headers.etag, headers.etag);
    assert.equal(answer.headers['cache-control'], 'public, max-age=1');
    assert.ok(Number(answer.headers['pricecast-now']) > 0);
  }
  for (const unknown of ['"other"', '""', headers.etag.replace('-0"', '-1"'), headers.etag.slice(1, -1), 'W/*', `x${headers.etag}`]) {
    const answer = await edge.ask(PRICES, { headers: { 'if-none-match': unknown } });
    assert.equal(answer.status, 200, unknown);
  }
});

test('no header of a client changes the answer, nor goes on to the origin', async (t) => {
  const { stub, edge } = await warmEdge(t);
  const names = [...poison(), ...Array.from({ length: 200 }, (_, i) => `x-poison-${i}`)];
  for (const name of names) {
    await until('two answers with no publication between them', 5000, async () => {
      const poisoned = await edge.ask(PRICES, { headers: { [name]: 'poisoned.example' } });
      const plain = await edge.ask();
      if (poisoned.headers.etag !== plain.headers.etag) return false;
      assert.equal(poisoned.body, plain.body, name);
      return true;
    });
  }
  const all = Object.fromEntries(names.map((name) => [name, 'poisoned.example']));
  await until('a fetch caused by a poisoned request', 5000, async () => {
    const seen = stub.fetches;
    const answer = await edge.ask(PRICES, { headers: all });
    assert.equal(answer.status, 200);
    assert.ok(!`${answer.rawHeaders} ${answer.body}`.includes('poisoned'), 'nothing of it comes back');
    return answer.headers['cache-status'].includes('revalidating') && stub.fetches > seen - 1;
  });
  await until('that fetch', 5000, () => stub.fetches > 1);
  for (const { url, method, headers } of stub.requests) {
    assert.equal(`${method} ${url}`, `GET ${PRICES}`);
    assert.ok(!JSON.stringify(headers).includes('poison'), JSON.stringify(headers));
    assert.match(headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  }
  const traces = new Set(stub.requests.map(({ headers }) => headers.traceparent));
  assert.equal(traces.size, stub.fetches, 'each fetch has a trace of its own');
});

/** Names that some cache or proxy is known to act upon. */
function poison() {
  return [
    'x-forwarded-host', 'x-forwarded-scheme', 'x-forwarded-proto', 'x-forwarded-for', 'x-forwarded-port', 'forwarded', 'x-host',
    'x-original-url', 'x-rewrite-url', 'x-http-method-override', 'x-http-method', 'x-method-override', 'accept', 'accept-language',
    'accept-encoding', 'accept-charset', 'authorization', 'cookie', 'cache-control', 'pragma', 'range', 'if-range', 'if-match',
    'if-modified-since', 'if-unmodified-since', 'origin', 'referer', 'user-agent', 'via', 'traceparent', 'tracestate', 'baggage',
    'pricecast-origin-secret', 'pricecast-now', 'pricecast-market', 'pricecast-drill', 'cf-connecting-ip', 'cf-ray', 'cf-visitor',
    'cdn-loop', 'surrogate-capability', 'x-wap-profile', 'sec-fetch-mode', 'dnt', 'save-data', 'x-cache-key', 'priority', 'te',
  ];
}

test('/health tells the edge\'s own view and never fetches', async (t) => {
  const stub = await startStub(t);
  const edge = await startEdge(t, { origins: [stub], vars: { CLIENT_MAXAGE_S: '1' } });
  const cold = await edge.ask('/health');
  assert.equal(cold.status, 200);
  assert.equal(cold.headers['cache-control'], 'no-store');
  assert.equal(json(cold).status, 'cold');
  assert.equal(stub.fetches, 0);
  await edge.ask();
  const warm = await edge.health();
  assert.equal(warm.status, 'ok');
  assert.equal(warm.origin.reachable, true);
  assert.equal(warm.copy.epoch, stub.epoch);
  assert.deepEqual(warm.unknownVariables, ['CLIENT_MAXAGE_S']);
  await until('the copy is past its soft age', 3000, async () => (await edge.health()).copy.ageMs > 1100);
  assert.equal(stub.fetches, 1);
});

test('the origin describes what it serves', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  const answer = await request(`${origin.url}/openapi.json`);
  assert.equal(answer.headers['cache-control'], 'public, max-age=3600');
  const { openapi, paths, components } = json(answer);
  assert.match(openapi, /^3\.1\./);
  const body = json(await request(`${origin.url}${PRICES}`));
  assertContract(body);
  const schemas = components.schemas;
  const described = (schema) => Object.keys(schema.properties).sort();
  assert.deepEqual(described(schemas.Prices), Object.keys(body).sort());
  assert.deepEqual(described(schemas.Price), Object.keys(body.prices[0]).sort());
  for (const path of Object.keys(paths)) {
    // /health is the edge's; the same document describes both.
    const { status } = await request(`${origin.url}${path}`);
    assert.ok(path === '/health' ? status === 404 : status === 200, `${path}: ${status}`);
  }
});
