// What networks do to the connections with the exchanges, on real processes with the fault proxy in between.
// These cases take their time from the product's deadlines, so they run side by side.

import assert from 'node:assert/strict';
import test from 'node:test';
import { BACK_AFTER_BACKOFF_MS, BACK_MS, TAKEOVER_MS, ended, isFallback, isFrozen, isLive, isQuiet, startPath, within } from '../harness/path.mjs';
import { startProxy } from '../harness/proxy.mjs';
import { makeAuthority, startTls } from '../harness/tls.mjs';
import { lasts, until } from '../harness/until.mjs';

/** With clients at the edge and at the origin. */
const start = (t, options) => startPath(t, { isOriginProbed: true, ...options });

/** Takeover as the client at the edge and the one at the origin saw it. */
async function takeover({ probe, probes: [, originProbe] }, since, limitMs = TAKEOVER_MS) {
  const [takeover_ms, at_the_origin_ms] = [
    await within(limitMs, probe, since, 'every price from Coinbase', isFallback),
    await within(limitMs, originProbe, since, 'every price from Coinbase', isFallback),
  ];
  return { takeover_ms, at_the_origin_ms };
}

const network = (run) => test('what networks do to the connections with the exchanges', { concurrency: 6 }, run);

network(async (t) => {
  const cases = [];
  const fault = (name, run) => cases.push(t.test(name, run));

  fault('a reset of the connection to Kraken: a new one at once, and nothing flagged', async (t) => {
    const all = await start(t, { via: ['kraken'] });
    const { kraken, probe } = all;
    const resetAt = Date.now();
    kraken.reset();
    await until('a second connection', 3000, () => kraken.accepted === 2);
    const reconnect_ms = Date.now() - resetAt;
    const back_ms = await within(BACK_MS, probe, resetAt + 2000, 'every price from Kraken', isLive);
    const answers = await ended(t, all, { reconnect_ms, back_ms });
    assert.ok(answers.every(isQuiet));
    assert.equal(kraken.accepted, 2);
  });

  fault('Kraken resets and refuses for 12 s: Coinbase takes over, the attempts are few, and Kraken is back afterwards', async (t) => {
    const all = await start(t, { via: ['kraken'] });
    const { kraken, probe } = all;
    const since = Date.now();
    kraken.isRefusing = true;
    kraken.reset();
    const taken = await takeover(all, since);
    await lasts(12_000, since);
    const attempts = kraken.refused;
    kraken.heal();
    const back_ms = await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
    const answers = await ended(t, all, { ...taken, attempts, back_ms });
    assert.ok(answers.every(isQuiet));
    // At once, then after at most 1, 2, 4, 8 s each, fully jittered.
    assert.ok(attempts >= 2 && attempts <= 20, `${attempts} attempts`);
  });

  fault('a half-closed connection to Kraken is given up at once', async (t) => {
    const all = await start(t, { via: ['kraken'] });
    const { kraken, probe } = all;
    const since = Date.now();
    kraken.halfClose();
    await until('a second connection', 3000, () => kraken.accepted === 2);
    const back_ms = await within(BACK_MS, probe, since + 2000, 'every price from Kraken', isLive);
    const answers = await ended(t, all, { back_ms });
    assert.ok(answers.every(isQuiet));
  });

  fault('a connection to Kraken that swallows everything, without an end, is found out within three seconds', async (t) => {
    const all = await start(t, { via: ['kraken'] });
    const { kraken, probe } = all;
    const since = Date.now();
    kraken.blackhole();
    const taken = await takeover(all, since);
    // Three seconds from the last frame, which came before; then one beat of the aggregator, and the probe's.
    assert.ok(taken.at_the_origin_ms <= 3500, `${taken.at_the_origin_ms} ms`);
    await lasts(10_000, since);
    kraken.heal();
    const back_ms = await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
    const answers = await ended(t, all, { ...taken, back_ms });
    assert.ok(answers.every(isQuiet));
  });

  fault('100 to 2000 ms of latency on both exchanges: every price is fresh or flagged', async (t) => {
    const all = await start(t, { via: ['kraken', 'coinbase'] });
    const { kraken, coinbase, probe } = all;
    const since = Date.now();
    for (const proxy of [kraken, coinbase]) proxy.down.set({ delayMs: 100, jitterMs: 1900 });
    await lasts(25_000, since);
    kraken.heal();
    coinbase.heal();
    const fresh_ms = await within(TAKEOVER_MS, probe, Date.now(), 'no price flagged', isQuiet);
    await ended(t, all, { fresh_ms });
  });

  fault('8 kbit/s from Kraken: late news is never taken for fresh, and Coinbase serves', async (t) => {
    const all = await start(t, { via: ['kraken'], args: ['--update-hz', '20'] });
    const { kraken, probe } = all;
    const since = Date.now();
    kraken.down.set({ bytesPerSecond: 1000 });
    const taken = await takeover(all, since, 15_000);
    await lasts(25_000, since);
    kraken.heal();
    const back_ms = await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
    await ended(t, all, { ...taken, back_ms });
  });

  fault('bytes that come one at a time say what they say at once', async (t) => {
    const all = await start(t, { via: ['kraken', 'coinbase'] });
    const { origin, kraken, coinbase } = all;
    for (const proxy of [kraken, coinbase]) {
      proxy.down.set({ sliceBytes: 1 });
      proxy.up.set({ sliceBytes: 1 });
    }
    const since = Date.now();
    // Another connection each, sliced from its first byte on.
    kraken.reset();
    coinbase.reset();
    await within(BACK_MS, all.probe, since + 2000, 'every price from Kraken', isLive);
    await lasts(15_000, since);
    const answers = await ended(t, all);
    assert.ok(answers.every(isQuiet));
    assert.equal(await undecodable(origin), 0);
  });

  fault('JSON spoilt by a wrong byte is dropped, counted and asked for anew', async (t) => {
    const all = await start(t, { via: ['kraken', 'coinbase'] });
    const { origin, kraken, coinbase, probe } = all;
    const quote = '"'.charCodeAt(0);
    const since = Date.now();
    // The frames stay frames: a quotation mark becomes a space.
    kraken.down.set({ corrupt: { everyBytes: 3000, mask: 0x02, only: quote } });
    await lasts(10_000, since);
    const dropped = await undecodable(origin);
    assert.ok(dropped > 0, 'counted');
    kraken.heal();
    await within(BACK_MS, probe, Date.now(), 'every price from Kraken', isLive);
    coinbase.down.set({ corrupt: { everyBytes: 500, mask: 0x02, only: quote } });
    await lasts(4000);
    coinbase.heal();
    const answers = await ended(t, all, { dropped });
    assert.ok(answers.every(isQuiet), 'one good exchange is enough');
    assert.equal(kraken.accepted, 1, 'it costs no connection');
  });

  fault('bytes changed anywhere, frame heads included, cost connections and no price', async (t) => {
    const all = await start(t, { via: ['kraken', 'coinbase'] });
    const { kraken, coinbase, probe } = all;
    const since = Date.now();
    kraken.down.set({ corrupt: { everyBytes: 4001, mask: 0x80 } });
    await lasts(10_000, since);
    kraken.heal();
    // The last wrong byte may have been in a length, and what seems a long frame is found by its silence.
    await lasts(4000);
    await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
    coinbase.down.set({ corrupt: { everyBytes: 501, mask: 0x80 } });
    await lasts(4000);
    coinbase.heal();
    const answers = await ended(t, all, { connections: kraken.accepted });
    assert.ok(answers.every(isQuiet), 'one good exchange is enough');
    assert.ok(kraken.accepted > 1);
  });

  fault('both exchanges out of reach: the last prices stay, flagged, and a live one is out within 5 s of the first that is back', async (t) => {
    const all = await start(t, { via: ['kraken', 'coinbase'] });
    const { kraken, coinbase, probe } = all;
    const since = Date.now();
    for (const proxy of [kraken, coinbase]) {
      proxy.isRefusing = true;
      proxy.reset();
    }
    const flagged_ms = await within(TAKEOVER_MS, probe, since, 'every price flagged', isFrozen);
    await lasts(12_000, since);
    const { body } = probe.last;
    assert.equal(body.prices.length, 5);
    assert.ok(['kraken', 'coinbase'].every((source) => body.sources[source].status !== 'connected'), JSON.stringify(body.sources));
    const healedAt = Date.now();
    coinbase.heal();
    const fresh_ms = await within(5000, probe, healedAt, 'a live price', (answer) => answer.body.prices.some(({ stale }) => !stale));
    await ended(t, all, { flagged_ms, fresh_ms });
  });

  for (const [what, spoil] of [
    ['expired', ({ ca, front }) => front.present(ca.certificate({ days: -1 }))],
    ['for another host', ({ ca, front }) => front.present(ca.certificate({ host: 'prices.example' }))],
    ['by an authority nobody knows', ({ t, front }) => front.present(makeAuthority(t).certificate())],
    ['that never comes', ({ wire }) => wire.blackhole()],
  ]) {
    fault(`a certificate ${what}: Kraken is refused, Coinbase takes over, and it is live again with a good one`, async (t) => {
      const { ca, front, wire, all } = await startOverTls(t);
      const { origin, probe } = all;
      const since = Date.now();
      spoil({ t, ca, front, wire });
      wire.reset();
      const taken = await takeover(all, since);
      const refused = await until('the refusal is told', 8000, () => origin.log().match(/connect to Kraken at wss:[^\n]*/)?.[0]);
      t.diagnostic(refused);
      assert.match(refused, what === 'that never comes' ? /no answer within 5000 ms/ : /certificate/i);
      await lasts(9000, since);
      assert.ok(isFallback(probe.last));
      wire.heal();
      front.present(ca.certificate());
      const back_ms = await within(BACK_AFTER_BACKOFF_MS, probe, Date.now(), 'every price from Kraken', isLive);
      const answers = await ended(t, all, { ...taken, back_ms });
      assert.ok(answers.every(isQuiet));
    });
  }

  await Promise.all(cases);
});

/** Kraken over TLS, and Coinbase too: that a good certificate works is part of each case. */
async function startOverTls(t) {
  const ca = makeAuthority(t);
  const wires = {};
  const env = { PRICECAST_TLS__CA_FILE: ca.file };
  const all = await start(t, {
    env: async (market) => {
      wires.front = await startTls(t, market, ca.certificate());
      wires.wire = await startProxy(t, wires.front);
      const coinbase = await startTls(t, market, ca.certificate());
      env.PRICECAST_KRAKEN__URL = `wss://localhost:${wires.wire.port}/v2`;
      env.PRICECAST_COINBASE__URL = coinbase.url.replace('127.0.0.1', 'localhost');
      return env;
    },
  });
  return { ca, ...wires, all };
}

/** Frames of Kraken that could not be read, by the origin's own count. */
async function undecodable(origin) {
  return origin.counted('kraken_frames', 'undecodable');
}
