// Several origins that share a Redis, the market they speak to, and an edge that knows them all.

import assert from 'node:assert/strict';
import { startEdge } from './edge.mjs';
import { json } from './http.mjs';
import { startMarket } from './market.mjs';
import { startColdOrigin } from './origin.mjs';
import { startProbe } from './probe.mjs';
import { startRedis } from './redis.mjs';
import { until } from './until.mjs';

const START_LIMIT_MS = 30_000;
const NEWS_LIMIT_MS = 10_000;

/**
 * Starts them. `count` origins; `redis`: one that is there already, or whose address is taken;
 * `env`: further variables of each origin; `program`: another one. Waits until one of them leads and
 * all serve fresh prices, and probes the edge from then on; not with `isCold`. With `areAllProbed` each
 * origin is probed too: for tests in which all stay up.
 */
export async function startCluster(t, { count = 3, redis, address = redis, isCold = false, areAllProbed = false, env, program } = {}) {
  redis ??= await startRedis(t);
  const market = await startMarket(t);
  const url = (address ?? redis).url;
  const shared = { PRICECAST_STORE: 'redis', PRICECAST_REDIS__URL: url, ...env };
  const origins = await Promise.all(Array.from({ length: count }, () => startColdOrigin(t, market, shared, program)));
  const cluster = new Cluster(t, market, redis, origins);
  if (!isCold) await cluster.settle();
  if (areAllProbed) cluster.probe(...origins);
  return cluster;
}

class Cluster {
  #t;
  /** That of the edge first. */
  probes = [];

  constructor(t, market, redis, origins) {
    this.#t = t;
    Object.assign(this, { market, redis, origins });
  }

  /** Probes them from now on; they have to stay up. */
  probe(...servers) {
    this.probes.push(...servers.map((server) => startProbe(this.#t, server)));
  }

  /** What the edge answered last. */
  get last() {
    return this.probes[0].last;
  }

  /** Waits until one leads and all serve fresh prices; starts the edge and its probe. */
  async settle() {
    const leader = await this.untilAgreed();
    await until('all serve fresh prices', START_LIMIT_MS, async () => {
      const told = await Promise.all(this.origins.map((origin) => origin.ready()));
      return told.every(({ status }) => status === 'ready');
    });
    if (!this.edge) this.probe((this.edge = await startEdge(this.#t, { origins: this.origins })));
    await until('the edge serves live prices', START_LIMIT_MS, () => this.last?.body.mode === 'live');
    return leader;
  }

  /** The one of `origins` that leads, as soon as it is one alone and Redis answers it. */
  untilLed(origins = this.origins) {
    return until('one leads', START_LIMIT_MS, async () => {
      const told = await Promise.all(origins.map((origin) => origin.ready().catch(() => ({}))));
      const leaders = origins.filter((_, i) => told[i].cluster?.role === 'leader' && told[i].cluster.redis === 'answers');
      return leaders.length === 1 && leaders[0];
    });
  }

  /** The same, as soon as all have heard of it. */
  async untilAgreed(origins = this.origins) {
    const leader = await this.untilLed(origins);
    await until('all follow the leader', START_LIMIT_MS, async () => {
      const told = await Promise.all(origins.map((origin) => origin.ready()));
      return told.every(({ cluster }) => cluster.redis === 'answers' && cluster.epoch === told[0].cluster.epoch);
    });
    return leader;
  }

  followersOf(leader) {
    return this.origins.filter((origin) => origin !== leader);
  }

  /**
   * How long after `at` one of `origins` was first seen to serve a price confirmed since, in ms; `after`: from
   * whoever leads under a later epoch than that.
   */
  async untilNews(origins, at, { after = 0 } = {}) {
    const seenAt = await until('a price confirmed since', NEWS_LIMIT_MS, async () => {
      const answers = await Promise.all(origins.map((origin) => origin.ask()));
      return answers.find((answer) => newest(answer) > at && json(answer).epoch > after)?.receivedAt;
    });
    return seenAt - at;
  }

  /** There has never been more than one client of either exchange at a time. */
  async assertOneClient() {
    const { kraken, coinbase } = await this.market.stats();
    assert.equal(kraken.max_open, 1, 'Kraken connections open at a time');
    assert.equal(coinbase.max_in_flight, 1, 'Coinbase requests at a time');
  }
}

/** When the newest price of an answer was confirmed; 0 without any. */
function newest(answer) {
  const prices = answer.status === 200 ? json(answer).prices : [];
  return Math.max(0, ...prices.map(({ confirmedAt }) => confirmedAt));
}
