// The snapshot that several origins share is damaged, or of another release.

import assert from 'node:assert/strict';
import test from 'node:test';
import { startCluster } from '../harness/cluster.mjs';
import { concluded } from '../harness/figures.mjs';
import { json } from '../harness/http.mjs';
import { skip } from '../harness/redis.mjs';
import { until } from '../harness/until.mjs';

const LIMIT_MS = 15_000;
const NEWER = 5;
const KEY = '{pricecast}:custom:snapshot';
/** Of no time that any leader has reached. */
const AHEAD = 1_000_000;

/** How many were refused for `reason`; the counter is there from the first on. */
const refused = ({ origins }, reason) =>
  Promise.all(origins.map((origin) => origin.counted('redis_snapshots_refused', `reason="${reason}"`).catch(() => 0))).then((counts) => counts.reduce((a, b) => a + b));

/** What may stand there, and what it is refused for. `head` and `body` are those of the good one. */
const POISONS = [
  ['a body cut short', 'checksum', ({ order, sum, body }) => ['HSET', KEY, 'head', `${order} ${sum}`, 'body', body.slice(0, -9)]],
  ['another price', 'checksum', ({ order, sum, body }) => ['HSET', KEY, 'head', `${order} ${sum}`, 'body', body.replace(/"price":\d/, '"price":9')]],
  ['no head', 'head', ({ body }) => ['HSET', KEY, 'head', 'whatever', 'body', body]],
  ['nothing of ours', 'head', () => ['SET', KEY, '<html>']],
  ['an older schema', 'older_schema', ({ order, body }) => ['HSET', KEY, 'head', order.replace(/^1/, '0'), 'body', body]],
  ['a newer schema', 'newer_schema', ({ order }) => ['HSET', KEY, 'head', `${order.replace(/^1/, '2')} of a time to come`, 'body', 'in words to come']],
];

/** The stored snapshot, in parts, moved on to a later place in the order, so that followers look at it. */
async function stored({ redis }) {
  const [head, before] = await redis.run('HMGET', KEY, 'head', 'body');
  const [schema, epoch, seq] = head.split(' ');
  const later = Number(seq) + AHEAD;
  const body = before.replace(`"seq":${seq}`, `"seq":${later}`);
  const order = `${schema} ${epoch} ${later}`;
  return { order, sum: checksum(order + body), body, seq: later };
}

/** FNV-1a, 64 bits. */
function checksum(text) {
  let sum = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
  return sum.toString(16).padStart(16, '0');
}

/** Waits until a follower has taken over a whole snapshot at a later place: so what is refused is refused for its damage. */
async function untilWholeOneAdopted(cluster, followers) {
  await until('a whole one is adopted', LIMIT_MS, async () => {
    const good = await stored(cluster);
    await cluster.redis.run('HSET', KEY, 'head', `${good.order} ${good.sum}`, 'body', good.body);
    const isAdopted = async () => (await Promise.all(followers.map((origin) => origin.ask()))).some((answer) => json(answer).seq === good.seq);
    return until('its seq is served', 400, isAdopted).catch(() => false);
  });
}

test('a damaged snapshot is refused whatever is wrong with it, and what is in memory stays', { skip }, async (t) => {
  const cluster = await startCluster(t, { areAllProbed: true });
  const leader = await cluster.untilAgreed();
  await untilWholeOneAdopted(cluster, cluster.followersOf(leader));
  for (const [what, reason, poison] of POISONS) {
    const before = await refused(cluster, reason);
    const good = await stored(cluster);
    await until(`${what} is refused`, LIMIT_MS, async () => {
      await cluster.redis.run('DEL', KEY);
      await cluster.redis.run(...poison(good));
      const answers = await Promise.all(cluster.origins.map((origin) => origin.ask()));
      for (const answer of answers) assert.equal(answer.status, 200, what);
      return (await refused(cluster, reason)) > before;
    });
    // Left alone, the leader puts it right.
    assert.equal(await cluster.untilAgreed(), leader);
    const mendedAt = Date.now();
    for (const origin of cluster.origins) await cluster.untilNews([origin], mendedAt);
  }
  await cluster.assertOneClient();
  await concluded(t, cluster, { poisons: POISONS.length });
});

test('origins rolled back to before the snapshot in Redis do not read it, and replace it', { skip }, async (t) => {
  const cluster = await startCluster(t);
  await cluster.untilAgreed();
  await Promise.all(cluster.origins.map((origin) => origin.stop()));
  const good = await stored(cluster);
  const [, poison] = POISONS.at(-1).slice(1);
  await cluster.redis.run(...poison(good));
  // Each as on a new machine: nothing but Redis could tell it anything.
  await Promise.all(cluster.origins.map((origin) => origin.start({ PRICECAST_STATE_DIR: 'elsewhere' })));
  await cluster.settle();
  assert.ok((await refused(cluster, 'newer_schema')) >= 1);
  const [head] = await cluster.redis.run('HMGET', KEY, 'head');
  assert.match(head, /^1 /, 'it is of our schema again');
  const { epoch } = json(await cluster.origins[0].ask());
  assert.ok(epoch > Number(good.order.split(' ')[1]), 'and later than what stood there');
  await cluster.assertOneClient();
  await concluded(t, cluster);
});

test('under a leader of a release to come a follower says once that it reads nothing, and shows it until it leads itself', { skip }, async (t) => {
  const cluster = await startCluster(t, { count: 1, isCold: true });
  const [origin] = cluster.origins;
  const epoch = Date.now() + 60_000;
  await cluster.redis.run('SET', '{pricecast}:custom:lease', `dd ${epoch}`, 'PX', 60_000);
  await until('it follows', LIMIT_MS, async () => (await origin.ready()).cluster.epoch === epoch);
  const before = await refused(cluster, 'newer_schema');
  for (let seq = 1; seq <= NEWER; seq++) {
    await cluster.redis.run('HSET', KEY, 'head', `2 ${epoch} ${seq} of a time to come`, 'body', 'in words to come');
    await until('it is refused', LIMIT_MS, async () => (await refused(cluster, 'newer_schema')) >= before + seq);
  }
  assert.equal(origin.log().match(/the snapshot in Redis is refused/g).length, 1, 'told once');
  const warned = async () => (await origin.ready()).warnings.some(({ code }) => code === 'snapshot_refused');
  assert.ok(await warned());
  await cluster.redis.run('DEL', '{pricecast}:custom:lease');
  await cluster.settle();
  assert.ok(!(await warned()), 'it has put it right');
  await concluded(t, cluster, { refused: NEWER });
});
