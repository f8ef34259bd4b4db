// Clients that go past the edge, to the origin itself, from the same address as the edge: they may
// fill what strangers may fill, and the edge has its prices all the while. And what an operator sees is
// for nobody else.

import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { assertProblem } from '../harness/check.mjs';
import { cleanup } from '../harness/cleanup.mjs';
import { PRICES, startEdge } from '../harness/edge.mjs';
import { concluded } from '../harness/figures.mjs';
import { request } from '../harness/http.mjs';
import { startMarket } from '../harness/market.mjs';
import { startOrigin } from '../harness/origin.mjs';
import { startProbe } from '../harness/probe.mjs';
import { until } from '../harness/until.mjs';

const SECRET = 'a-secret-of-edge-and-origin';
const LASTS_MS = 12_000;
/** Each more than an address may have, and the silent ones more than are told so besides. */
const STRANGERS = 90;
const SILENT = 200;
/** Until one that was cut off is back. */
const BACK_AFTER_MS = 100;

/** What a stranger says at once, and then again and again. */
const HABITS = [
  ['', ''],
  [`GET ${PRICES} HTTP/1.1\r\nHost: x\r\nX-Slow: `, 'x'],
  [`GET ${PRICES} HTTP/1.1\r\nHost: x\r\n\r\n`, `GET ${PRICES} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n`],
  [`GET ${PRICES} HTTP/1.1\r\nHost: x\r\nPricecast-Origin-Secret: guess\r\n\r\n`, `GET ${PRICES} HTTP/1.1\r\nHost: x\r\n\r\n`],
  [`POST ${PRICES} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf`, 'x'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08'],
  ['GET /ready HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /ready HTTP/1.1\r\nHost: x\r\n\r\n'],
];

/** Strangers on `url`, each on a connection of its own and back as soon as it is cut off. */
function startStrangers(t, url) {
  const { hostname, port } = new URL(url);
  const strangers = { cutOff: 0, refused: 0 };
  let isOver = false;
  const sockets = new Set();
  const come = ([first, then]) => {
    if (isOver) return;
    const socket = net.connect(Number(port), hostname, () => socket.write(first));
    const again = then && setInterval(() => socket.write(then), 100);
    sockets.add(socket);
    socket.on('data', (bytes) => (strangers.refused += /^HTTP\/1\.1 4/.test(bytes) ? 1 : 0));
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(again);
      sockets.delete(socket);
      strangers.cutOff += 1;
      setTimeout(come, BACK_AFTER_MS, [first, then]);
    });
  };
  for (let i = 0; i < STRANGERS; i++) come(HABITS[i % HABITS.length]);
  for (let i = 0; i < SILENT; i++) come(['', '']);
  cleanup(t, () => {
    isOver = true;
    for (const socket of sockets) socket.destroy();
  });
  return strangers;
}

describe('past the edge', () => {
  test('strangers who besiege the origin from the address of the edge take nothing from the edge', async (t) => {
    const market = await startMarket(t);
    const origin = await startOrigin(t, market, {
      PRICECAST_ACCESS__SECRETS: SECRET,
      // Else no address on loopback would be limited.
      PRICECAST_HTTP__TRUSTED_PROXIES: '',
    });
    const began = Date.now();
    const strangers = startStrangers(t, origin.url);
    await until('the strangers are there', 5000, () => strangers.cutOff >= SILENT);
    // It has no connection yet: each of its own must come through the siege.
    const edge = await startEdge(t, { origins: [origin], vars: { ORIGIN_SECRET: SECRET } });
    await until('live prices', 10_000, async () => JSON.parse((await edge.ask()).body).mode === 'live');
    const probe = startProbe(t, edge);
    await until('the siege is over', 2 * LASTS_MS, () => Date.now() >= began + LASTS_MS);
    const live = new URL('/live', origin.metricsUrl);
    assert.equal((await request(`${live}`)).status, 200, 'a probe is answered in the midst of it');
    const { cutOff, refused } = strangers;
    const answers = await concluded(t, { market, probe }, { cut_off: cutOff, refused });
    assert.ok(answers.every(({ body }) => !body.stale), 'the edge felt it');
    assert.ok(cutOff > STRANGERS && refused > STRANGERS, `it was no siege: ${JSON.stringify(strangers)}`);
    const { body } = await request(origin.metricsUrl);
    for (const reason of ['connections_per_address', 'requests_per_address']) {
      assert.match(body, new RegExp(`pricecast_http_limited_total\\{reason="${reason}"\\} [1-9]`));
    }
  });

  test('the metrics of the origin are reached by no way through the edge', async (t) => {
    const market = await startMarket(t);
    const origin = await startOrigin(t, market);
    const edge = await startEdge(t, { origins: [origin] });
    assert.equal((await edge.ask()).status, 200);
    assert.match((await request(origin.metricsUrl)).body, /pricecast_http_requests_total/);
    const metrics = new URL(origin.metricsUrl);
    const ways = [
      ['/metrics'],
      ['//metrics'],
      ['/metrics/'],
      ['/%6detrics'],
      ['/v1/../metrics'],
      [`${PRICES}/../../../metrics`],
      [`${PRICES}%2f..%2f..%2f..%2fmetrics`],
      [`/@${metrics.host}/metrics`],
      [`/${origin.metricsUrl}`],
      ['/metrics', { host: metrics.host }],
      [PRICES, { host: metrics.host, 'x-forwarded-host': metrics.host }],
      [PRICES, { 'x-original-url': '/metrics', 'x-rewrite-url': '/metrics', 'x-http-method-override': 'PUT' }],
      [`${PRICES}?url=${encodeURIComponent(origin.metricsUrl)}`],
    ];
    for (const [path, headers] of ways) {
      const answer = await edge.ask(path, { headers });
      assert.doesNotMatch(answer.body, /pricecast_/, path);
      assert.ok([200, 400, 404].includes(answer.status), `${path}: ${answer.status}`);
    }
    assertProblem(await request(`${origin.url}/metrics`), 404, 'not_found');
  });
});
