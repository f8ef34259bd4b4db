// Many clients that ask without a pause. Each answer is looked at; of those that are the same to
// the byte, the first and the last are kept: between them nothing could be truer or less true.

import assert from 'node:assert/strict';
import { cleanup } from './cleanup.mjs';
import { read } from './probe.mjs';

/** Starts `clients` of them on `edge`. */
export function startFlood(t, edge, { clients = 8 } = {}) {
  const flood = new Flood(edge, clients);
  cleanup(t, () => flood.stop());
  return flood;
}

class Flood {
  #isStopped = false;
  #done;
  /** The first and the last answer with each body. */
  #kept = new Map();
  /** How many answers there were. */
  count = 0;
  /** The last answer of any client. */
  last;

  constructor(edge, clients) {
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#run(edge)));
    this.#done.catch(() => {}); // told by stop()
  }

  /** Ends it and hands over what was kept. Fails if a request did, or a client went backwards. */
  async stop() {
    this.#isStopped = true;
    await this.#done;
    return [...this.#kept.values()].flatMap(({ first, last }) => (first === last ? [first] : [first, last]));
  }

  async #run(edge) {
    let [epoch, seq] = [0, 0];
    while (!this.#isStopped) {
      const answer = await edge.ask();
      assert.equal(answer.status, 200, answer.body);
      this.count += 1;
      const { body } = (this.last = this.#keep(answer));
      const isForward = body.epoch > epoch || (body.epoch === epoch && body.seq >= seq);
      assert.ok(isForward, `(${epoch}, ${seq}) was followed by (${body.epoch}, ${body.seq})`);
      [epoch, seq] = [body.epoch, body.seq];
    }
  }

  #keep(answer) {
    const known = this.#kept.get(answer.body);
    if (!known) {
      const first = read(answer);
      this.#kept.set(answer.body, { first, last: first });
      return first;
    }
    const { last } = known;
    known.last = { ...last, sentAt: Math.max(last.sentAt, answer.sentAt), receivedAt: Math.max(last.receivedAt, answer.receivedAt) };
    return known.last;
  }
}
