// Ten thousand requests for anything but the prices: what they cost the origin, which is nothing,
// and what the next client is told.

import assert from 'node:assert/strict';
import test from 'node:test';
import { PRICES, startIsolates } from './harness/edge.mjs';
import { startFlood } from './harness/flood.mjs';
import { behaviour, snapshotBody, startStub } from './harness/stub.mjs';
import { until } from './harness/until.mjs';

const REQUESTS = 10_000;
/** In each request, and to be found in no answer. */
const MARK = 'stranger';
const OURS = [PRICES, '/v1/prices'];

test('ten thousand random urls, queries, methods and headers cause no fetch, and change no byte of what the next client is told', async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}`);
  const pick = dice(seed);
  // All flagged: it reads the same at any time.
  const body = snapshotBody({ now: Date.now(), confirmedAt: Date.now() - 60_000, seq: 1, epoch: 1 });
  const stub = await startStub(t, behaviour.fixed(body));
  const [edge, spared] = await startIsolates(t, 2, (i) => ({ origins: [stub], vars: { ENVIRONMENT: `site-${i}` } }));

  const refusals = {};
  const flood = startFlood(t, edge, {
    next: () => stranger(pick),
    seen: ({ status, headers, body }, request) => {
      const what = JSON.stringify(request);
      assert.ok([400, 404, 405, 501].includes(status), `${what}: ${status}`);
      assert.doesNotMatch(headers['cache-control'] ?? '', /public|max-age/, what);
      assert.ok(!`${JSON.stringify(headers)} ${body}`.includes(MARK), `${what}: ${body}`);
      const isOurs = headers['content-type']?.startsWith('application/problem+json');
      if (isOurs) assert.equal(headers['cache-control'], 'no-store', what);
      const who = isOurs ? status : 'by the runtime';
      refusals[who] = (refusals[who] ?? 0) + 1;
    },
  });
  await until('all are answered', 120_000, () => flood.answered >= REQUESTS);
  await flood.stop();
  assert.equal(stub.fetches, 0);
  t.diagnostic(`answered ${JSON.stringify(refusals)}`);
  for (const status of [400, 404, 405]) assert.ok(refusals[status] > REQUESTS / 10, `${refusals[status]} answers ${status}`);

  const [after, alone] = [lasting(await edge.ask()), lasting(await spared.ask())];
  assert.equal(after.body, body);
  assert.deepEqual(after, alone, 'an isolate that no stranger has asked');
  assert.equal(stub.fetches, 2);
});

/** A request that is not for the prices: for another path, with a query, or by another method. */
function stranger(pick) {
  const word = () => `${MARK}${Array.from({ length: pick(12) }, () => '!$%()*+,-.:;=@[]^_`{|}~09azAZ'.at(pick(29))).join('')}`;
  const of = (...choices) => choices[pick(choices.length)];
  const headers = Object.fromEntries(Array.from({ length: pick(6) }, () => [`x-${pick(1e6)}-${MARK}`, word()]));
  const name = of(`x-forwarded-host`, 'x-original-url', 'x-http-method-override', 'accept-encoding', 'cookie', 'if-none-match', 'range');
  headers[name] = word();
  const path = of(`/${word()}`, `${PRICES}/${word()}`, `/${word()}${PRICES}`, `${PRICES}${word()}`, `/api/v${2 + pick(9)}/${word()}`, `//${word()}`);
  const query = of(`?${word()}`, `?${word()}=${word()}`, `?_=${word()}`, `?a&${word()}`, `?_=1&${word()}=1`, `?%5F=${word()}`);
  return of(
    { path: path + of('', query), headers, method: of('GET', 'HEAD') },
    { path: of(...OURS) + query, headers },
    { path: of(...OURS, '/health', path) + of('', query), headers: { ...headers, 'content-length': 0 }, method: of('POST', 'PUT', 'PATCH', 'DELETE', 'PURGE', 'PROPFIND', `X${word()}`) },
  );
}

/** What of an answer must be the same for everybody, at any time. */
function lasting({ status, headers, body }) {
  const { date, 'pricecast-now': now, 'server-timing': timing, ...others } = headers;
  return { status, headers: others, body };
}

/** `pick(n)`: one of 0..n, the same ones for the same seed. */
function dice(seed) {
  let state = seed;
  return (n) => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * n);
  };
}
