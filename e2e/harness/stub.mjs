// An origin that does as it is told: for what a real one does too seldom, or too politely.

import { once } from 'node:events';
import http from 'node:http';
import { cleanup } from './cleanup.mjs';

const JSON_TYPE = 'application/json; charset=utf-8';

/** What it may do with a request. Each is handed the request, the response and the stub. */
export const behaviour = {
  /** A new snapshot, confirmed `ageMs` ago, `delayMs` after the request came, on a clock that is `aheadMs` ahead. */
  prices: ({ ageMs = 0, delayMs = 0, aheadMs = 0 } = {}) => (_, response, stub) => {
    const answer = () => {
      const now = Date.now() + aheadMs;
      response.writeHead(200, { 'content-type': JSON_TYPE, 'pricecast-now': now }).end(stub.snapshot(now, now - ageMs));
    };
    if (delayMs > 0) setTimeout(answer, delayMs);
    else answer();
  },
  /** This body, whatever the time. */
  fixed: (body, headers = {}) => (_, response) => {
    response.writeHead(200, { 'content-type': JSON_TYPE, 'pricecast-now': Date.now(), ...headers }).end(body);
  },
  /** Nothing, ever. */
  hang: () => () => {},
  /** A head and half a body, then nothing. */
  hangInBody: () => (_, response, stub) => half(response, stub),
  /** Half a body, then a cut. */
  truncate: () => (_, response, stub) => half(response, stub, () => response.destroy()),
  /** A RST. */
  reset: () => (request) => request.socket.resetAndDestroy(),
  status: (status, headers = {}) => (_, response) => response.writeHead(status, headers).end('no'),
  /** A page where prices should be. */
  html: () => (_, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'pricecast-now': Date.now() }).end('<html>hello</html>');
  },
  /** A new snapshot under another status, as a confused proxy would have it. */
  pricesAs: (status, headers = {}) => (_, response, stub) => {
    const now = Date.now();
    response.writeHead(status, { 'content-type': JSON_TYPE, 'pricecast-now': now, ...headers }).end(stub.snapshot(now, now));
  },
  /** A new snapshot whose length is given as what `lengthOf` makes of it; the connection stays open. */
  misframed: (lengthOf) => (request, _, stub) => {
    const now = Date.now();
    const body = stub.snapshot(now, now);
    const head = `content-type: ${JSON_TYPE}\r\npricecast-now: ${now}\r\ncontent-length: ${lengthOf(body.length)}`;
    request.socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`);
  },
  /** Chunks of a body, a cut where the last one should be. */
  cutInChunks: () => (_, response, stub) => {
    const now = Date.now();
    response.writeHead(200, { 'content-type': JSON_TYPE, 'pricecast-now': now });
    response.write(stub.snapshot(now, now), () => response.destroy());
  },
  /** A snapshot of a replica that is `seqBehind` publications and `epochBehind` ms of epoch behind. */
  lagging: ({ seqBehind = 0, epochBehind = 0, ageMs = 0 }) => (_, response, stub) => {
    const now = Date.now();
    const body = snapshotBody({ now, confirmedAt: now - ageMs, seq: Math.max(0, stub.seq - seqBehind), epoch: stub.epoch - epochBehind });
    response.writeHead(200, { 'content-type': JSON_TYPE, 'pricecast-now': now }).end(body);
  },
  /** Prices of somebody who is not our origin: without its clock. */
  unstamped: () => (_, response, stub) => {
    response.writeHead(200, { 'content-type': JSON_TYPE }).end(stub.snapshot(Date.now(), Date.now()));
  },
};

function half(response, stub, then) {
  const now = Date.now();
  const body = stub.snapshot(now, now);
  response.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': body.length, 'pricecast-now': now });
  response.write(body.slice(0, body.length / 2), then);
}

export async function startStub(t, initial = behaviour.prices()) {
  const stub = new Stub(initial);
  cleanup(t, () => stub.close());
  await stub.listen();
  return stub;
}

class Stub {
  #server = http.createServer((request, response) => this.#answer(request, response));
  #seq = 0;
  #port = 0;

  constructor(initial) {
    this.behave = initial;
    this.epoch = Date.now();
    /** Every request it got: `{method, url, headers, at, closedAt}`; closed by an answer, or by the edge. */
    this.requests = [];
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The number of the last snapshot. */
  get seq() {
    return this.#seq;
  }

  get fetches() {
    return this.requests.length;
  }

  /** Listens, again at the same address. */
  async listen() {
    if (this.#server.listening) return;
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
  }

  /** From now on nobody listens. */
  async close() {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #answer(request, response) {
    const { method, url, headers } = request;
    const entry = { method, url, headers, at: Date.now(), closedAt: undefined };
    this.requests.push(entry);
    response.once('close', () => (entry.closedAt = Date.now()));
    request.on('error', () => {});
    response.on('error', () => {});
    this.behave(request, response, this);
  }

  /** A body as the origin renders it: two prices from Kraken, each snapshot with the next seq. */
  snapshot(now, confirmedAt) {
    this.#seq += 1;
    return snapshotBody({ now, confirmedAt, seq: this.#seq, epoch: this.epoch });
  }
}

/** The contract's bytes; `now` is when it is rendered for. */
export function snapshotBody({ now, confirmedAt, seq, epoch }) {
  const freshUntil = confirmedAt + 5000;
  const stale = now >= freshUntil;
  const price = (symbol, digits, change) =>
    `{"symbol":"${symbol}","price":${digits},"change24h":${change},"source":"kraken","asOf":${confirmedAt - 20},` +
    `"confirmedAt":${confirmedAt},"stale":${stale},"uncertain":false}`;
  const source = `{"status":"${stale ? 'stale' : 'connected'}","lastUpdate":${confirmedAt}}`;
  return (
    `{"prices":[${price('BTC', '67432.10', '2.34')},${price('ETH', '3521.40', '-1.90')}],"timestamp":${confirmedAt},"stale":${stale},` +
    `"freshUntil":${freshUntil},"mode":"${stale ? 'frozen' : 'live'}","seq":${seq},"epoch":${epoch},"pollAfterMs":2500,` +
    `"unavailable":[],"sources":{"kraken":${source},"coinbase":${source}}}`
  );
}
