// Clients that ask as fast as they are answered, on bare sockets with several requests on the way
// at once, and the book that is kept of what they were told.

import assert from 'node:assert/strict';
import net from 'node:net';
import { assertContract, assertFresh } from './check.mjs';
import { cleanup } from './cleanup.mjs';
import { PRICES } from './edge.mjs';
import { pause } from './until.mjs';

/** A socket without an answer for so long is broken. */
const LIMIT_MS = 15_000;
/** How much of each body's life the book keeps for later questions. */
const SAMPLE_MS = 100;

/**
 * Asks `edge` on `connections` sockets, `depth` requests at a time on each, at most `perSecond` in
 * all, until stopped. `next(i)` gives the i-th request: `{path, method, headers}` as they go on the
 * wire, or less. Each answer is handed to `seen(answer, request, line)`,
 * `line` being the number of its socket. What `seen` asserts is told by `answered` and `stop()`.
 */
export function startFlood(t, edge, options) {
  const flood = new Flood(edge, options);
  cleanup(t, () => flood.stop());
  return flood;
}

class Flood {
  #isStopped = false;
  #asked = 0;
  #began = Date.now();
  #options;
  #edge;
  #done;
  #answered = 0;
  #error;

  constructor(edge, { connections = 8, depth = 8, perSecond = 4000, next = () => ({}), seen = () => {} }) {
    this.#edge = edge;
    this.#options = { depth, perSecond, next, seen };
    this.#done = Promise.all(Array.from({ length: connections }, (_, line) => this.#run(line)));
    this.#done.catch((error) => (this.#error = error));
  }

  /** How many answers there were. Throws what `seen` has: who waits for more would wait in vain. */
  get answered() {
    if (this.#error) throw this.#error;
    return this.#answered;
  }

  /** Ends it; says how many answers there were. Fails if one was not as it must be. */
  async stop() {
    this.#isStopped = true;
    await this.#done;
    return this.#answered;
  }

  async #run(line) {
    const { depth, perSecond, next, seen } = this.#options;
    let wire = await Wire.open(this.#edge);
    try {
      while (!this.#isStopped) {
        const due = this.#began + (this.#asked * 1000) / perSecond;
        if (Date.now() < due) await pause(due - Date.now());
        const requests = Array.from({ length: depth }, () => next(this.#asked++));
        while (requests.length > 0) {
          const answers = await wire.ask(requests);
          for (const answer of answers) {
            this.#answered += 1;
            seen(answer, requests.shift(), line);
          }
          // Whoever closes after a bad request has read nothing behind it.
          if (requests.length === 0 && wire.isOpen) break;
          wire.close();
          wire = await Wire.open(this.#edge);
        }
      }
    } finally {
      wire.close();
    }
  }
}

/** One kept connection, on which requests go out as they are written. */
export class Wire {
  #socket;
  #host;
  #received = Buffer.alloc(0);
  #wake = () => {};

  static async open(edge) {
    const { hostname, port } = new URL(edge.url);
    const wire = new Wire(edge.host);
    await new Promise((resolve, reject) => {
      wire.#socket = net.connect({ host: hostname, port: Number(port), noDelay: true }, resolve).once('error', reject);
    });
    wire.#socket.on('data', (bytes) => {
      wire.#received = wire.#received.length > 0 ? Buffer.concat([wire.#received, bytes]) : bytes;
      wire.#wake();
    });
    wire.#socket.on('error', () => {}).on('close', () => wire.close());
    return wire;
  }

  constructor(host) {
    this.isOpen = true;
    this.#host = host;
  }

  close() {
    this.isOpen = false;
    this.#socket.destroy();
    this.#wake();
  }

  /** Sends requests; resolves with their answers, fewer if the connection was closed on the way. */
  async ask(requests) {
    const sentAt = Date.now();
    this.#socket.write(requests.map((request) => this.#written(request)).join(''), 'latin1');
    const answers = [];
    while (answers.length < requests.length) {
      const answer = this.#read(requests[answers.length].method);
      if (answer) answers.push({ ...answer, sentAt, receivedAt: Date.now() });
      else if (!this.isOpen) break;
      else await this.#more();
    }
    assert.ok(answers.length > 0, `no answer at all to ${JSON.stringify(requests[0]).slice(0, 300)}`);
    return answers;
  }

  #written({ method = 'GET', path = PRICES, headers = {} }) {
    const lines = Object.entries({ host: this.#host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  }

  #more() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS / 1000} s`)), LIMIT_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** The next whole answer of what has come, if it is there. */
  #read(method) {
    const headLength = this.#received.indexOf('\r\n\r\n');
    if (headLength < 0) return undefined;
    const [line, ...fields] = this.#received.toString('latin1', 0, headLength).split('\r\n');
    const headers = Object.fromEntries(fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()]));
    const status = Number(line.slice(9, 12));
    const hasBody = method !== 'HEAD' && status !== 304 && status !== 204;
    const length = hasBody ? Number(headers['content-length']) : 0;
    assert.ok(Number.isSafeInteger(length), `an answer of unknown length: ${line}`);
    const end = headLength + 4 + length;
    if (this.#received.length < end) return undefined;
    const body = this.#received.toString('utf8', headLength + 4, end);
    this.#received = this.#received.subarray(end);
    if (headers.connection === 'close') this.isOpen = false;
    return { status, headers, body };
  }
}

/**
 * What many clients of ONE cache were told, checked as it comes and kept in brief: promise 1 by the
 * stamps for every answer, 304s included; the same tag, the same bytes; and on each connection
 * nothing older after something newer. Stands for a probe in `concluded`.
 */
export class Book {
  #pages = new Map();
  #lines = new Map();
  /** How many answers were entered. */
  probed = 0;
  /** The body of the last of them. */
  last;

  /** Enters an answer with prices, or one that says they are known. */
  enter(answer, line = 0) {
    const page = this.#page(answer);
    if (page.oldest !== undefined) assertFresh(answer, page.oldest, `the oldest unflagged price of ${answer.headers.etag}`);
    const before = this.#lines.get(line);
    assert.ok(!before || isInOrder(before, page.body), `(${before?.epoch}, ${before?.seq}) was followed by (${page.body.epoch}, ${page.body.seq})`);
    this.#lines.set(line, page.body);
    this.probed += 1;
    this.last = page.body;
    if (!(answer.receivedAt < page.samples.at(-1)?.receivedAt + SAMPLE_MS)) page.samples.push(answer);
    page.last = answer;
  }

  #page({ status, headers, body: text }) {
    const known = this.#pages.get(headers.etag);
    if (status === 304) {
      assert.ok(known, `a 304 for a tag that was never given: ${headers.etag}`);
      return known;
    }
    assert.equal(status, 200, text);
    if (known) {
      assert.equal(text, known.text, `two bodies under ${headers.etag}`);
      return known;
    }
    const body = JSON.parse(text);
    assertContract(body);
    const unflagged = body.prices.filter((price) => !price.stale).map((price) => price.confirmedAt);
    const page = { text, body, oldest: unflagged.length > 0 ? Math.min(...unflagged) : undefined, samples: [] };
    this.#pages.set(headers.etag, page);
    return page;
  }

  /** The answers kept, understood as a probe does, in the order of their snapshots. */
  stop() {
    const pages = [...this.#pages.values()].sort(({ body: a }, { body: b }) => a.epoch - b.epoch || a.seq - b.seq);
    return pages.flatMap(({ body, text, samples, last }) => [...samples, last].map((answer) => ({ ...answer, status: 200, body, text })));
  }
}

const isInOrder = (before, after) => before.epoch < after.epoch || (before.epoch === after.epoch && before.seq <= after.seq);
