// The Redis that several origins share is down, slow, emptied, refuses writes, fails over.

import assert from 'node:assert/strict';
import test from 'node:test';
import { startCluster } from '../harness/cluster.mjs';
import { assertProblem } from '../harness/check.mjs';
import { startEdge } from '../harness/edge.mjs';
import { concluded } from '../harness/figures.mjs';
import { json } from '../harness/http.mjs';
import { startProxy } from '../harness/proxy.mjs';
import { startDoor, startRedis, skip } from '../harness/redis.mjs';
import { until } from '../harness/until.mjs';

const LIMIT_MS = 15_000;
const HOUR_MS = 3_600_000;
/** Which of the two is elected is a matter of luck. */
const LOSSES = 3;

const codes = (told) => told.map(({ code }) => code);
const epochOf = async (origin) => (await origin.ready()).cluster.epoch;

/** For things to go on for a while. */
const pass = (ms) => {
  const end = Date.now() + ms;
  return until(`${ms} ms have passed`, ms + 1000, () => Date.now() >= end);
};

/** Waits until every origin has had `outcome` from a call since `before`. */
const untilAllHad = (cluster, outcome, before) =>
  until(`every origin has had ${outcome}`, LIMIT_MS, async () => {
    const counts = await had(cluster, outcome);
    return counts.every((count, i) => count > before[i]);
  });

const had = ({ origins }, outcome) => Promise.all(origins.map((origin) => origin.counted('redis_calls', `outcome="${outcome}"`)));

test('without Redis nobody ingests before it is there, the leader goes on when it dies, and empty it is taught what was', { skip }, async (t) => {
  const redis = await startRedis(t, { isDown: true });
  const cluster = await startCluster(t, { redis, isCold: true });
  // Down at the start: nothing is known, and that is what is said.
  for (const origin of cluster.origins) {
    const { reasons, cluster: standing } = await until('it has called Redis', LIMIT_MS, async () => {
      const told = await origin.ready();
      return told.cluster?.redis === 'unreachable' && told;
    });
    assert.deepEqual(codes(reasons), ['no_prices', 'redis_unreachable']);
    assert.equal(standing.role, 'follower');
    assertProblem(await origin.ask(), 503, 'no_data_yet');
  }
  const cold = await startEdge(t, { origins: cluster.origins });
  assertProblem(await cold.ask(), 503, 'no_data_yet');
  assert.equal((await cluster.market.stats()).kraken.attempts, 0, 'nobody asks the exchanges');

  await redis.start();
  const startedAt = Date.now();
  const electedMs = await cluster.untilNews(cluster.origins, startedAt);
  const leader = await cluster.settle();

  // Gone later, and back empty.
  const before = await epochOf(leader);
  await redis.kill();
  await until('the leader says so', LIMIT_MS, async () => codes((await leader.ready()).warnings).includes('redis_unreachable'));
  const goneAt = Date.now();
  await pass(3000);
  assert.ok((await cluster.untilNews([leader], goneAt + 2000)) < 5000, 'it goes on');
  assert.equal((await leader.ready()).cluster.role, 'leader');
  await redis.start();
  assert.equal(await cluster.untilAgreed(), leader, 'the same one leads');
  assert.ok((await epochOf(leader)) > before, 'under a higher epoch');
  await cluster.assertOneClient();
  assert.equal((await cluster.market.stats()).kraken.attempts, 1, 'over the same connection');

  // Gone, and the origins too: they come back with what they have on disk.
  const last = await epochOf(leader);
  await Promise.all(cluster.origins.map((origin) => origin.stop()));
  await redis.stop();
  const { attempts } = (await cluster.market.stats()).kraken;
  await Promise.all(cluster.origins.map((origin) => origin.start()));
  // Their stamps are by the clock of a Redis that cannot be asked: nobody knows how old they are.
  for (const origin of cluster.origins) {
    const answer = await origin.ask();
    assert.equal(answer.status, 200);
    assert.equal(json(answer).mode, 'frozen');
  }
  await until('it says why', LIMIT_MS, async () => codes((await leader.ready()).reasons).join() === 'nothing_fresh,redis_unreachable');
  assert.equal((await cluster.market.stats()).kraken.attempts, attempts, 'nobody asks the exchanges');
  await redis.start();
  await cluster.settle();
  assert.ok((await epochOf(cluster.origins[0])) > last);
  await cluster.assertOneClient();
  await concluded(t, cluster, { elected_ms: electedMs });
});

test('when Redis alone dies an edge that asks a follower finds the leader before anything is flagged', { skip }, async (t) => {
  const cluster = await startCluster(t);
  const leader = await cluster.untilAgreed();
  const [first, second] = cluster.followersOf(leader);
  // It stays with the first it knows: a follower before the leader, and two of them.
  for (const origins of [[first, leader, second], [first, second, leader]]) cluster.probe(await startEdge(t, { origins }));
  await until('they serve live prices', LIMIT_MS, () => cluster.probes.every(({ last }) => last?.body.mode === 'live'));
  await cluster.redis.kill();
  await until('the followers have nothing fresh', LIMIT_MS, async () => {
    const answers = await Promise.all([first, second].map((origin) => origin.ask()));
    return answers.every((answer) => json(answer).mode === 'frozen');
  });
  await pass(3000);
  const answers = cluster.probes.map((probe) => probe.answers);
  const flagged = answers.flat().filter(({ body }) => body.stale).length;
  const oldestMs = Math.max(...answers.flat().map(({ ageMs }) => ageMs));
  await concluded(t, cluster, { flagged, oldest_ms: oldestMs });
  assert.equal(flagged, 0, 'the leader had live prices all the time');
});

test('a Redis that hangs for five seconds costs no leader and no answer', { skip }, async (t) => {
  const cluster = await startCluster(t, { areAllProbed: true });
  const leader = await cluster.untilAgreed();
  const before = await epochOf(leader);
  for (const hang of [['DEBUG', 'SLEEP', 5], ['CLIENT', 'PAUSE', 3000, 'ALL']]) {
    const counts = await had(cluster, 'timed_out');
    const asked = cluster.redis.run(...hang);
    await untilAllHad(cluster, 'timed_out', counts);
    const hungAt = Date.now();
    assert.ok((await cluster.untilNews([leader], hungAt)) < 3000, 'the leader goes on');
    await asked;
    assert.equal(await cluster.untilAgreed(), leader, `after ${hang.join(' ')}`);
  }
  assert.ok((await epochOf(leader)) > before, 'the lease had run out, and was taken anew');
  await cluster.assertOneClient();
  assert.equal((await cluster.market.stats()).kraken.attempts, 1);
  const slowest = Math.max(...cluster.probes.flatMap(({ answers }) => answers).map(({ sentAt, receivedAt }) => receivedAt - sentAt));
  await concluded(t, cluster, { slowest_answer_ms: slowest });
});

test('a Redis that answers ever more slowly, and some calls too late, costs no answer and no order', { skip }, async (t) => {
  const redis = await startRedis(t);
  const slow = await startProxy(t, redis);
  const cluster = await startCluster(t, { redis, address: slow, areAllProbed: true });
  for (const down of [{ delayMs: 60 }, { delayMs: 60, jitterMs: 90 }, { delayMs: 150, jitterMs: 100 }, { delayMs: 250 }]) {
    const before = await had(cluster, 'timed_out');
    slow.down.set(down);
    await pass(3000);
    assert.ok((await cluster.untilNews(cluster.origins, Date.now())) < 3000, `somebody goes on at ${JSON.stringify(down)}`);
    if (down.delayMs > 60) await untilAllHad(cluster, 'timed_out', before);
    else if (!down.jitterMs) await cluster.assertOneClient();
  }
  slow.down.heal();
  await cluster.settle();
  const { kraken } = await cluster.market.stats();
  assert.equal(kraken.open, 1);
  await concluded(t, cluster, { clients_max: kraken.max_open });
});

test('what one of two knows is not lost when the other comes back without its disk to an emptied Redis', { skip }, async (t) => {
  const redis = await startRedis(t);
  const cluster = await startCluster(t, { count: 2, redis });
  for (let i = 0; i < LOSSES; i++) {
    const leader = await cluster.settle();
    const [other] = cluster.followersOf(leader);
    const known = json(await other.ask()).prices.length;
    await redis.stop();
    await leader.kill();
    // Nobody tells a price any more: who does not know them cannot learn them.
    await cluster.market.fault({ target: 'both', fault: 'silence' });
    await leader.start({ PRICECAST_STATE_DIR: `lost-${i}` });
    await redis.start();
    await until('both serve all that was known', LIMIT_MS, async () => {
      const answers = await Promise.all(cluster.origins.map((origin) => origin.ask()));
      return answers.every((answer) => answer.status === 200 && json(answer).prices.length === known);
    });
    await cluster.market.clear();
  }
  await cluster.settle();
  await concluded(t, cluster, { losses: LOSSES });
});

test('a failover that loses the last writes leaves the order of versions whole', { skip }, async (t) => {
  const [primary, replica] = [await startRedis(t), await startRedis(t)];
  const door = await startDoor(t, primary);
  const wire = await startDoor(t, primary);
  await replica.run('REPLICAOF', '127.0.0.1', wire.port);
  await replica.untilSynced();
  const cluster = await startCluster(t, { redis: primary, address: door });
  const first = await cluster.untilAgreed();
  const firstEpoch = await epochOf(first);
  // From now on the replica misses everything: another leader, an epoch that no clock has reached.
  wire.close();
  await primary.run('SET', '{pricecast}:custom:fence', Date.now() + HOUR_MS);
  await first.kill();
  await cluster.untilNews(cluster.followersOf(first), Date.now(), { after: firstEpoch });
  await first.start();
  const second = await cluster.settle();
  const lostEpoch = await epochOf(second);
  assert.ok(lostEpoch > Date.now() + HOUR_MS / 2, 'only who remembers it can tell the replica');

  await primary.kill();
  await replica.run('REPLICAOF', 'NO', 'ONE');
  assert.ok(Number(await replica.run('GET', '{pricecast}:custom:fence')) < lostEpoch, 'the replica has missed it');
  door.leadTo(replica);
  await until('the lease is taken anew', LIMIT_MS, async () => (await epochOf(second)) > lostEpoch);
  assert.equal(await cluster.untilAgreed(), second, 'the same one leads');
  assert.ok(Number(await replica.run('GET', '{pricecast}:custom:fence')) > lostEpoch);
  await cluster.settle();
  await cluster.assertOneClient();
  await concluded(t, cluster);
});

/** How a Redis can refuse, what our calls make of it, and how it is mended. */
const TROUBLES = [
  ['read_only', (redis) => redis.run('REPLICAOF', '127.0.0.1', 1), (redis) => redis.run('REPLICAOF', 'NO', 'ONE')],
  ['out_of_memory', (redis) => redis.run('CONFIG', 'SET', 'maxmemory', 1), (redis) => redis.run('CONFIG', 'SET', 'maxmemory', 0)],
  ['denied', locked, unlocked],
  ['loading', loading, (redis) => redis.run('CONFIG', 'SET', 'key-load-delay', 0)],
  // The last: its disk does not come back.
  ['misconf', diskless, (redis) => redis.run('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')],
];

async function locked(redis) {
  await redis.run('CONFIG', 'SET', 'requirepass', 'canary');
  redis.password = 'canary';
  await redis.run('CLIENT', 'KILL', 'TYPE', 'normal');
}

async function unlocked(redis) {
  await redis.run('CONFIG', 'SET', 'requirepass', '');
  redis.password = undefined;
}

async function loading(redis) {
  await redis.run('DEBUG', 'POPULATE', 3000);
  await redis.run('CONFIG', 'SET', 'loading-process-events-interval-bytes', 1024);
  // Microseconds per key.
  await redis.run('CONFIG', 'SET', 'key-load-delay', 500);
  redis.run('DEBUG', 'RELOAD').catch(() => {}); // answered when it has loaded
}

async function diskless(redis) {
  redis.loseDisk();
  await redis.run('CONFIG', 'SET', 'save', '3600 1');
  await redis.run('BGSAVE');
  await until('the save has failed', LIMIT_MS, async () => (await redis.run('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'));
}

test('a Redis that refuses is told from one that is away, and the leader goes on until it takes writes again', { skip }, async (t) => {
  const cluster = await startCluster(t, { areAllProbed: true });
  const { redis } = cluster;
  const leader = await cluster.untilAgreed();
  for (const [outcome, spoil, mend] of TROUBLES) {
    const before = await had(cluster, outcome);
    await spoil(redis);
    await untilAllHad(cluster, outcome, before);
    assert.equal((await leader.ready()).cluster.role, 'leader', outcome);
    assert.ok((await cluster.untilNews([leader], Date.now())) < 3000, `${outcome}: the leader goes on`);
    await mend(redis);
    assert.equal(await cluster.untilAgreed(), leader, `after ${outcome}`);
  }
  // Scripts that are forgotten are no trouble at all.
  const epoch = await epochOf(leader);
  const failed = await had(cluster, 'no_script');
  await redis.run('SCRIPT', 'FLUSH');
  await pass(500);
  assert.deepEqual(await had(cluster, 'no_script'), failed);
  assert.equal(await epochOf(leader), epoch);
  await cluster.assertOneClient();
  assert.equal((await cluster.market.stats()).kraken.attempts, 1);
  await concluded(t, cluster, { troubles: TROUBLES.length });
});

test('a lease that is deleted, with or without all the rest, is taken by the same leader under a higher epoch', { skip }, async (t) => {
  const cluster = await startCluster(t, { areAllProbed: true });
  const leader = await cluster.untilAgreed();
  let worstMs = 0;
  // An epoch that no clock has reached: only who remembers it can beat it.
  await cluster.redis.run('SET', '{pricecast}:custom:fence', Date.now() + HOUR_MS);
  await until('it is taken up', LIMIT_MS, async () => (await epochOf(leader)) > Date.now() + HOUR_MS / 2);
  for (const loss of [['FLUSHALL'], ['DEL', '{pricecast}:custom:lease'], ['DEL', '{pricecast}:custom:fence'], ['FLUSHALL', 'ASYNC']]) {
    const before = await epochOf(leader);
    await cluster.redis.run(...loss);
    const lostAt = Date.now();
    // Without its fence alone, Redis learns it anew from those who know.
    const isLost = loss.at(-1) !== '{pricecast}:custom:fence';
    await until(`Redis is as before ${loss.join(' ')}`, LIMIT_MS, async () => {
      const fence = Number(await cluster.redis.run('GET', '{pricecast}:custom:fence'));
      return isLost ? fence > before : fence >= before;
    });
    worstMs = Math.max(worstMs, Date.now() - lostAt);
    assert.equal(await cluster.untilAgreed(), leader, `after ${loss.join(' ')}`);
  }
  await cluster.assertOneClient();
  assert.equal((await cluster.market.stats()).kraken.attempts, 1);
  assert.ok(worstMs <= 1000, `taken anew after ${worstMs} ms`);
  await concluded(t, cluster, { retaken_ms: worstMs });
});
