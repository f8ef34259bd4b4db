// Clients that mean harm: they may ask for anything in any words, and neither make the origin work
// nor change one byte of what the next client is told.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertProblem } from '../harness/check.mjs';
import { PRICES, startIsolates } from '../harness/edge.mjs';
import { concluded, figures } from '../harness/figures.mjs';
import { Book, Wire, startFlood } from '../harness/flood.mjs';
import { startMarket } from '../harness/market.mjs';
import { startOrigin } from '../harness/origin.mjs';
import { behaviour, snapshotBody, startStub } from '../harness/stub.mjs';
import { lasts, until } from '../harness/until.mjs';
import { assertLittle, watchWorkerd } from '../harness/usage.mjs';

const ALIAS = '/v1/prices';
/** Origin fetches a second, whatever is asked. */
const FETCHES_PER_S = 1.2;

const random = () => Math.random().toString(36).slice(2);

/** One isolate asked without anything between it and the client. */
const startIsolate = async (t, worker) => (await startIsolates(t, 1, worker))[0];

/** One request on a connection of its own, as it is written. */
async function askRaw(edge, request) {
  const wire = await Wire.open(edge);
  try {
    return (await wire.ask([request]))[0];
  } finally {
    wire.close();
  }
}

/** What the runtime refuses before the Worker is asked: its own page, which no cache keeps. */
function assertRefusedByRuntime({ status, headers, body }, what) {
  assert.ok([400, 413, 414, 431, 501].includes(status), `${what}: ${status} ${body}`);
  assert.doesNotMatch(headers['cache-control'] ?? '', /max-age|public/, what);
}

const isProblem = ({ headers }) => headers['content-type'] === 'application/problem+json; charset=utf-8';

describe('the edge among the malicious', () => {
  /** Ways to miss a cache that goes by more than the path: what is asked, and the problem it is answered with. */
  const BUSTERS = [
    [() => ({ path: `${PRICES}?cb=${random()}` }), 'query_not_allowed'],
    [() => ({ path: `${PRICES}?b=${random()}&a=1` }), 'query_not_allowed'],
    [() => ({ path: `${PRICES}?a=1&b=${random()}` }), 'query_not_allowed'],
    [() => ({ path: `${PRICES}?_=${random()}x` }), 'query_not_allowed'],
    [() => ({ path: `${ALIAS}?${random().repeat(1500).slice(0, 16_384)}` }), 'query_not_allowed'],
    [() => ({ path: `/${random().repeat(1500).slice(0, 16_384)}` }), 'not_found'],
    [() => ({ path: `${PRICES}/${random()}` }), 'not_found'],
    [() => ({ path: `${PRICES};${random()}` }), 'not_found'],
    [() => ({ path: `/${random()}${PRICES}` }), 'not_found'],
    [() => ({ path: PRICES, method: 'PUT', headers: { 'content-length': 0 } }), 'method_not_allowed'],
    [() => ({ path: PRICES, method: random().toUpperCase().replace(/\d/g, 'X') }), undefined],
    [() => ({ path: `${PRICES}?_=${Date.now()}` }), 'prices'],
    [() => ({ path: `${PRICES}?__cf_${random()}=1` }), 'prices'],
    [() => ({ headers: { host: `${random()}.example` } }), 'prices'],
    [() => ({ headers: { 'cache-control': 'no-cache', pragma: 'no-cache' } }), 'prices'],
    [() => ({ headers: { 'if-none-match': `"${random()}"` } }), 'prices'],
    [() => ({ headers: { range: `bytes=${Date.now() % 100}-` } }), 'prices'],
    [() => ({ headers: { cookie: `session=${random()}`, authorization: random() } }), 'prices'],
  ];

  test('a flood of urls, queries, methods and hosts that are never twice the same: the origin is asked no more often', async (t) => {
    const market = await startMarket(t);
    const origin = await startOrigin(t, market);
    const edge = await startIsolate(t, { origins: [origin] });
    await edge.ask();
    const gained = watchWorkerd();
    const book = new Book();
    const refused = {};
    const flood = startFlood(t, edge, {
      next: (i) => {
        const [make, expected] = BUSTERS[i % BUSTERS.length];
        return { ...make(), expected };
      },
      seen: (answer, { expected, path }, line) => {
        if (expected === 'prices') return book.enter(answer, line);
        if (expected === undefined) return assertRefusedByRuntime(answer, 'a method that is none');
        const code = expected;
        assertProblem(answer, { query_not_allowed: 400, not_found: 404, method_not_allowed: 405 }[code], code);
        refused[code] = (refused[code] ?? 0) + 1;
        return assert.ok(!answer.body.includes(path), 'nothing of it comes back');
      },
    });
    await until('the flood has begun', 15_000, () => flood.answered > 500);
    const [from, before] = [Date.now(), await origin.pricesServed()];
    await lasts(10_000, from);
    const perS = ((await origin.pricesServed()) - before) / ((Date.now() - from) / 1000);
    await flood.stop();
    const held = await gained();
    const refusals = Object.values(refused).reduce((a, b) => a + b, 0);
    const told = { probed: flood.answered, refused: refusals, origin_fetches_per_s: Number(perS.toFixed(2)), ...held };
    await concluded(t, { market, probe: book }, told);
    assertLittle(held);
    assert.ok(perS <= FETCHES_PER_S, `${perS} origin fetches a second`);
  });

  test('no header that a client can send changes a byte of what the next one is told', async (t) => {
    const body = snapshotBody({ now: Date.now(), confirmedAt: Date.now() - 60_000, seq: 1, epoch: Date.now() - 120_000 });
    const stub = await startStub(t, behaviour.fixed(body));
    const edge = await startIsolate(t, { origins: [stub] });
    const poisons = poisonedRequests();

    // First of all clients, then as the one that causes a refresh.
    const all = Object.fromEntries(HEADERS.filter((name) => !FRAMING.has(name)).map((name) => [name, MARK]));
    const positions = ['a cold edge', 'a copy past its soft age', 'a copy beyond its hard age'];
    let clean;
    for (const [i, position] of positions.entries()) {
      await lasts(i * 1100, stub.requests.at(-1)?.at ?? Date.now());
      const poisoned = await askRaw(edge, { headers: { ...all, host: edge.host } });
      assert.equal(poisoned.status, 200, position);
      assertNothingOf(poisoned);
      const next = lasting(await askRaw(edge, {}));
      assert.equal(next.body, body, position);
      assert.deepEqual(next, clean ?? next, position);
      clean = next;
    }

    // Then each by itself, before a clean request on the same connection.
    const statuses = {};
    const gained = watchWorkerd();
    const flood = startFlood(t, edge, {
      next: (i) => (i % 2 === 0 ? { ...poisons[(i / 2) % poisons.length], isPoisoned: true } : {}),
      seen: (answer, { isPoisoned, ...request }) => {
        if (!isPoisoned) return assert.deepEqual(lasting(answer), clean, 'the next client');
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        assertNothingOf(answer);
        if (answer.status === 200) return assert.equal(answer.body, body, JSON.stringify(request).slice(0, 200));
        if (answer.status === 304 || isProblem(answer)) return undefined;
        return assertRefusedByRuntime(answer, JSON.stringify(request).slice(0, 200));
      },
    });
    await until('each poison was tried thrice', 60_000, () => flood.answered >= 6 * poisons.length);
    const probed = await flood.stop();
    const held = await gained();
    figures(t, { probed, lies: 0, header_names: HEADERS.length, poisons: poisons.length, let_through: statuses[200], ...held });
    assertLittle(held);
    for (const { method, url, headers } of stub.requests) {
      assert.equal(`${method} ${url}`, `GET ${PRICES}`);
      assert.ok(!JSON.stringify(headers).includes(MARK), 'nothing goes on to the origin');
    }
  });

  test('a path that is not exactly ours is a 404 that nobody keeps, and causes no fetch', async (t) => {
    const stub = await startStub(t);
    const edge = await startIsolate(t, { origins: [stub] });
    let probed = 0;
    let refused = 0;
    for (const path of CONFUSIONS) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST']) {
        const answer = await askRaw(edge, { path, method, headers: method === 'POST' ? { 'content-length': 0 } : {} });
        const what = `${method} ${JSON.stringify(path)}`;
        probed += 1;
        if (answer.headers['cache-control'] === undefined) {
          // Not a request at all: the runtime says so.
          assertRefusedByRuntime(answer, what);
          refused += 1;
          continue;
        }
        assert.equal(answer.status, 404, what);
        assert.equal(answer.headers['cache-control'], 'no-store', what);
        if (method !== 'HEAD') assertProblem(answer, 404, 'not_found');
      }
    }
    assert.equal(stub.fetches, 0);
    figures(t, { probed, lies: 0, paths: CONFUSIONS.length, refused_by_runtime: refused });
    assert.ok(refused < probed / 5, `the Worker itself was asked: ${refused} of ${probed} never came to it`);
  });
});

/** In each poison, and to be found nowhere else. */
const MARK = 'poisoned.example';

/** Headers that some cache, proxy or framework is known to act upon; and our own, and everybody's. */
const HEADERS = `
  x-forwarded-host x-forwarded-server x-forwarded-scheme x-forwarded-proto x-forwarded-protocol x-forwarded-ssl x-forwarded-for
  x-forwarded-port x-forwarded-path x-forwarded-prefix x-forwarded-uri x-forwarded-url x-forwarded-by x-forwarded-user x-forwarded
  x-forwarder-for x-forward-for x-forwared-host forwarded forwarded-for forwarded-host forwarded-proto x-host x-http-host-override
  x-http-host x-backend-host x-original-host x-original-url x-original-uri x-original-path x-original-method x-original-forwarded-for
  x-original-remote-addr x-original-cookie x-rewrite-url x-rewrite-uri x-override-url x-request-uri x-request-url x-request-path
  x-proxy-url x-proxyuser-ip x-real-ip x-real-host x-real-url x-client-ip x-client-addr x-cluster-client-ip x-remote-ip x-remote-addr
  x-remote-host x-remote-user x-true-ip x-originating-ip x-host-override x-base-url x-url-scheme x-scheme x-ssl x-https front-end-https
  x-arr-ssl x-arr-log-id x-arr-clientcert x-appengine-https x-appengine-country x-azure-ref x-azure-clientip x-azure-fdid x-fd-healthprobe
  x-http-method-override x-http-method x-method-override x-method x-http-path-override x-http-destinationurl x-http-status-code-override
  destination proxy proxy-host proxy-url proxy-authorization proxy-authenticate proxy-connection proxy-features request-uri request-url
  url uri base-url http-url real-ip redirect referer referrer origin user-agent host-override server-name server-port http-host
  accept accept-charset accept-encoding accept-language accept-datetime accept-ranges accept-ch authorization cookie cookie2 set-cookie
  cache-control pragma expires age vary etag date warning location status content-type content-encoding content-language content-location
  content-disposition content-range content-md5 content-security-policy content-digest range if-range if-match if-none-match
  if-modified-since if-unmodified-since last-modified last-event-id max-forwards via from dnt save-data priority prefer purpose sec-purpose
  sec-gpc sec-fetch-mode sec-fetch-dest sec-fetch-site sec-fetch-user sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-websocket-key
  sec-websocket-version sec-websocket-protocol sec-websocket-extensions http2-settings alt-svc alt-used early-data upgrade-insecure-requests
  traceparent tracestate baggage b3 x-b3-traceid x-b3-spanid x-request-id x-correlation-id x-trace-id x-cloud-trace-context x-amzn-trace-id
  x-amz-website-redirect-location x-amz-cf-id x-amz-date x-amz-server-side-encryption cf-connecting-ip cf-connecting-ipv6 cf-connecting-o2o
  cf-ipcountry cf-ray cf-visitor cf-worker cf-ew-via cf-cache-status cf-edge-cache cf-pseudo-ipv4 cf-access-jwt-assertion cdn-loop
  cdn-cache-control cloudflare-cdn-cache-control surrogate-control surrogate-capability surrogate-key cache-tag cache-status edge-control
  true-client-ip fastly-client-ip fastly-ff fastly-ssl fastly-debug fastly-temp-xff akamai-origin-hop akamai-cache-status x-akamai-edgescape
  x-varnish x-cache x-cache-key x-cache-hash x-cache-control x-cache-tags x-accel-redirect x-accel-expires x-accel-buffering x-accel-internal
  x-sendfile x-sendfile-type x-nginx-proxy x-reproxy-url x-litespeed-cache-control x-lscache x-page-speed x-wap-profile x-att-deviceid
  x-requested-with x-csrf-token x-xsrf-token x-api-key x-api-version x-auth-token x-user x-user-id x-username x-debug x-debug-token x-env
  x-role x-admin x-tenant x-locale x-lang x-country x-currency x-timezone x-device x-ua-device x-mobile x-pjax x-middleware-subrequest
  x-middleware-rewrite x-middleware-prefetch x-nextjs-data x-invoke-path x-invoke-query x-matched-path x-now-route-matches rsc
  next-router-state-tree next-action x-prerender x-amp-source-origin x-shopify-shop-domain translate x-dns-prefetch-control x-frame-options
  access-control-request-method access-control-request-headers access-control-request-private-network access-control-allow-origin
  service-worker service-worker-navigation-preload x-worker-script mf-original-url mf-route-override mf-host mf-cf-blob mf-custom-service
  mf-disable-pretty-error pricecast-origin-secret pricecast-now pricecast-market pricecast-drill pricecast-schema pricecast-sent-at
  content-length transfer-encoding connection keep-alive upgrade expect te trailer host
`
  .trim()
  .split(/\s+/);

/** Those by which the runtime finds the end of a request, or whom it is for. */
const FRAMING = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'upgrade', 'expect', 'te', 'trailer', 'host']);

/** Each header with values of several kinds, and requests that are hardly any. */
function poisonedRequests() {
  const poisons = [];
  for (const name of HEADERS) {
    const values = [MARK, `http://${MARK}/%0d%0aset-cookie:%20a=${MARK}`, `${MARK}, *`];
    if (!FRAMING.has(name)) values.push(`${MARK}${'x'.repeat(8192)}`, `${MARK}\xff\xfe\t"'<script>`, '*', '');
    for (const value of values) poisons.push({ headers: { [name]: value } });
  }
  for (const method of ['DELETE', 'PURGE', 'TRACE', 'get', MARK]) poisons.push({ method, headers: { 'x-http-method-override': 'GET' } });
  for (const code of [0, 1, 8, 10, 11, 12, 13, 27, 127]) {
    const control = String.fromCharCode(code);
    poisons.push({ headers: { 'x-control': `${MARK}${control}x` } }, { headers: { [`x-con${control}trol`]: MARK } });
    poisons.push({ path: `${PRICES}${control}${MARK}` });
  }
  for (const host of [`${MARK}/api`, `${MARK}${PRICES}?`, `${MARK}#`, `user@${MARK}`, `${MARK}:99999`, `[${MARK}`, '', ' ', '..']) poisons.push({ headers: { host } });
  poisons.push({ headers: { 'x-oversize': MARK.repeat(8000) } });
  poisons.push({ headers: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`x-many-${i}`, MARK])) });
  poisons.push({ path: `http://${MARK}${PRICES}` }, { path: `//${MARK}${PRICES}` }, { path: `${PRICES}?${MARK}` }, { path: `${PRICES}#${MARK}` });
  return poisons;
}

/** Paths that some server takes for ours, and some cache for a file of its own. */
const CONFUSIONS = [PRICES, ALIAS].flatMap((path) => [
  ...`/ // /. /.. /./ /../ /x.css .css .json .js .html /index.html /prices.json /x/..%2f.css %2f %2F %2fx.css %2e %2e%2e ; ;x ;.css ;/x.css
    ;jsessionid=1 /;/ /..;/ /.;/ %3b.css %00 %00.css %0a %0d%0a %09 %20 %23 %23.css %3f %3f.css %3fx=1 %5c %5cx.css %25 %2525 %252f %252e
    %26 %2b %3d %40 %7e %ff %fe %c0%af %c0%ae %e0%80%af %ef%bc%8f %u002f %zz % ~ ~1 + $ $.css ! !.css , ,x : :80 @ @x = =1 & &x=1 * ' ( ) - _ .
    .. ... | ^ { } [ ] < > " \` \\ \\x.css \x00 \x01 \x08 \x0b \x1f \x7f \x80 \xff /%2e%2e/prices /../prices /x/../../prices /%2e/ /.%2e/prices`
    .split(/[ \n]+/)
    .map((suffix) => path + suffix),
  `/${path}`,
  `//${path}`,
  `/.${path}`,
  `/x/..${path}`,
  `/x/%2e%2e${path}`,
  `/x%2f..${path}`,
  `/%2f${path}`,
  `/;${path}`,
  `/.;${path}`,
  `/\\${path}`,
  `/%5c..${path}`,
  `/static/..%5c..${path}`,
  path.toUpperCase(),
  path.replace('p', 'P'),
  path.replace('v1', 'v2'),
  path.replace('v1', 'V1'),
  path.replace('prices', 'pric%65s'),
  path.replace('/v1', '/%761'),
  path.replaceAll('/', '//'),
  path.replaceAll('/', '/./'),
  path.replaceAll('/', '%2f'),
  path.replace('/', '%2f'),
  path.replace('/', '\\'),
  path.slice(1),
  path.slice(0, -1),
]);

/** What of an answer must be the same for everybody, at any time. */
function lasting({ status, headers, body }) {
  const { date, 'pricecast-now': now, 'cache-status': cacheStatus, 'server-timing': timing, connection, ...others } = headers;
  return { status, headers: others, body };
}

function assertNothingOf({ headers, body }) {
  assert.ok(!JSON.stringify(headers).includes(MARK) && !body.includes(MARK), `${JSON.stringify(headers)} ${body}`);
}
