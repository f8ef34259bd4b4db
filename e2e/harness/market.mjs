// market-sim: the exchanges, their faults, and the truth about their prices.

import { readFileSync } from 'node:fs';
import { binary } from './paths.mjs';
import { Program } from './process.mjs';

/** Starts one; `args` as on its command line. */
export async function startMarket(t, args = []) {
  const command = [binary('market-sim'), '--listen', '127.0.0.1:0', ...args];
  const program = new Program(t, { name: 'market-sim', command });
  const [, url] = await program.start(/ready on (http:\S+)/);
  return new Market(url);
}

class Market {
  constructor(url) {
    this.url = url;
  }

  get originEnv() {
    return {
      PRICECAST_KRAKEN__URL: `${this.url.replace('http', 'ws')}/v2`,
      PRICECAST_COINBASE__URL: this.url,
    };
  }

  /** Injects a fault; returns when it was in force at the latest (epoch ms). */
  async fault(spec) {
    await this.#ask('POST', 'faults', spec);
    return Date.now();
  }

  /** Ends all faults; returns when it was in force at the latest (epoch ms). */
  async clear() {
    await this.#ask('DELETE', 'faults');
    return Date.now();
  }

  /** Plays a script of faults from now on; returns that moment (epoch ms). */
  async play(file) {
    const beganAt = Date.now();
    await this.#ask('POST', 'script', readFileSync(file, 'utf8'));
    return beganAt;
  }

  setPrice(venue, symbol, price) {
    return this.#ask('POST', 'price', { venue, symbol, price });
  }

  /** `{now, kraken: {BTC: [[ms, "price"], …]}, coinbase: {…}}` */
  truth() {
    return this.#ask('GET', 'truth');
  }

  stats() {
    return this.#ask('GET', 'stats');
  }

  async #ask(method, path, body) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${this.url}/control/${path}`, { method, body: text });
    const answer = await response.json();
    if (!response.ok) throw new Error(`market-sim: ${method} ${path} answered ${response.status}: ${answer.error}`);
    return answer;
  }
}
