// A client that asks at a steady rate for a whole test and keeps every answer.

import { cleanup } from './cleanup.mjs';
import { json } from './http.mjs';
import { pause } from './until.mjs';

/**
 * Asks `edge` every `everyMs` until stopped. Each answer is kept with its times, its body parsed,
 * and the age of its oldest price by the rule for clients.
 */
export function startProbe(t, edge, { everyMs = 100 } = {}) {
  const probe = new Probe(edge, everyMs);
  cleanup(t, () => probe.stop());
  return probe;
}

class Probe {
  #isStopped = false;
  #done;

  constructor(edge, everyMs) {
    this.answers = [];
    this.#done = this.#run(edge, everyMs);
    this.#done.catch(() => {}); // told by stop()
  }

  /** The last answer. */
  get last() {
    return this.answers.at(-1);
  }

  /** Ends it and hands over all answers. Fails if a request did. */
  async stop() {
    this.#isStopped = true;
    await this.#done;
    return this.answers;
  }

  async #run(edge, everyMs) {
    for (let due = Date.now(); !this.#isStopped; due = Math.max(due + everyMs, Date.now())) {
      const answer = await edge.ask();
      this.answers.push(answer.status === 200 ? read(answer) : answer);
      await pause(Math.max(0, due + everyMs - Date.now()));
    }
  }
}

/** An answer with prices, understood as a client does. */
export function read(answer) {
  const body = json(answer);
  const now = Number(answer.headers['pricecast-now']);
  const oldest = Math.min(...body.prices.map((price) => price.confirmedAt));
  return { ...answer, body, text: answer.body, ageMs: now - oldest + (answer.receivedAt - answer.sentAt) };
}

/** From asking to the last byte. */
export const tookMs = (answer) => answer.receivedAt - answer.sentAt;
