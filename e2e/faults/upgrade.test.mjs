// What one version has stored, read by the other: the origin's file, the data centre's cache; and
// the whole contract between an edge and an origin of different versions.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { assertContract } from '../harness/check.mjs';
import { PRICES, startEdge, startIsolates } from '../harness/edge.mjs';
import { figures } from '../harness/figures.mjs';
import { json, request } from '../harness/http.mjs';
import { startMarket } from '../harness/market.mjs';
import { startColdOrigin, startOrigin } from '../harness/origin.mjs';
import { freshFolder } from '../harness/paths.mjs';
import { NOT_BUILT, previousVersion } from '../harness/previous.mjs';
import { until } from '../harness/until.mjs';

const THIS = 'this version';
const PREVIOUS = 'the previous version';
const SECRET = 'a-secret-of-both-versions';

const pricesOf = ({ prices }) => prices.map(({ symbol, price, change24h, source, asOf, confirmedAt }) => ({ symbol, price, change24h, source, asOf, confirmedAt }));
/** What either of the two is started with: nothing where it is this one. */
const versions = (old) => ({ [THIS]: {}, [PREVIOUS]: old });
const bothWays = [[PREVIOUS, THIS], [THIS, PREVIOUS]];

describe('what one version leaves to the other', { concurrency: 2 }, () => {
  for (const [writer, reader] of bothWays) {
    test(`the last prices that an origin of ${writer} has saved are those with which one of ${reader} begins`, async (t) => {
      const old = previousVersion();
      if (!old) return t.skip(NOT_BUILT);
      const state = freshFolder(t, 'state-of-both');
      const market = await startMarket(t);
      const env = { PRICECAST_STATE_DIR: state };
      const before = await startOrigin(t, market, env, versions(old)[writer].program);
      await until('all prices', 10_000, async () => json(await before.ask()).mode === 'live');
      // What is known on the way out is what is saved.
      for (const target of ['kraken', 'coinbase']) await market.fault({ target, fault: 'silence' });
      const known = await until('the last of them, flagged', 10_000, async () => {
        const body = json(await before.ask());
        return body.mode === 'frozen' && body;
      });
      await before.stop();

      const after = await startColdOrigin(t, market, env, versions(old)[reader].program);
      const first = await until('an answer', 5000, async () => {
        const answer = await after.ask();
        return answer.status === 200 && json(answer);
      });
      assert.deepEqual(pricesOf(first), pricesOf(known));
      assert.equal(first.mode, 'frozen');
      assert.ok(first.epoch >= known.epoch, 'no cache holds it for older');
      await market.clear();
      const live = await until('live prices', 15_000, async () => {
        const body = json(await after.ask());
        return body.mode === 'live' && body;
      });
      assert.ok(live.epoch > known.epoch);
      assert.deepEqual(readdirSync(state).filter((name) => name.includes('unusable')), [], 'nothing was put aside');
      figures(t, { probed: 2, lies: 0 });
    });

    test(`what an edge of ${writer} has left in the shared cache is what one of ${reader} gives out while the origin is dead`, async (t) => {
      const old = previousVersion();
      if (!old) return t.skip(NOT_BUILT);
      const market = await startMarket(t);
      const origin = await startOrigin(t, market);
      const first = await startEdge(t, { origins: [origin], code: versions(old)[writer].code });
      await until('live prices', 10_000, async () => json(await first.ask()).mode === 'live');
      // What is put into the shared cache is put after the answer.
      await until('a fetch is settled', 3000, async () => (await first.health()).origin.reachable);
      await origin.kill();
      // The failure is put there too, in the same hand.
      const known = await until('the outage is noticed', 5000, async () => {
        const body = json(await first.ask());
        return !(await first.health()).origin.reachable && body;
      });
      const { folder, port } = first;
      await first.stop();

      const second = await startEdge(t, { origins: [origin], code: versions(old)[reader].code, folder, port });
      const answer = await second.ask();
      assert.equal(answer.status, 200);
      assert.deepEqual(pricesOf(json(answer)), pricesOf(known));
      assert.deepEqual([json(answer).epoch, json(answer).seq], [known.epoch, known.seq]);
      const flagged = await until('the flag', 8000, async () => {
        const body = json(await second.ask());
        return body.mode === 'frozen' && body;
      });
      assert.deepEqual(pricesOf(flagged), pricesOf(known));
      figures(t, { probed: 2, lies: 0 });
    });
  }
});

test('each version of the edge has the whole contract from each version of the origin', async (t) => {
  const old = previousVersion();
  if (!old) return t.skip(NOT_BUILT);
  const market = await startMarket(t);
  const env = { PRICECAST_ACCESS__SECRETS: SECRET };
  const origins = [await startOrigin(t, market, env), await startOrigin(t, market, env, old.program)];
  const pairs = origins.flatMap((origin) => [undefined, old.code].map((code) => ({ origin, code })));
  const edges = await startIsolates(t, pairs.length, (i) => ({
    origins: [pairs[i].origin],
    code: pairs[i].code,
    vars: { ENVIRONMENT: `pair-${i}`, ORIGIN_SECRET: SECRET },
  }));
  let probed = 0;
  for (const [i, edge] of edges.entries()) {
    const { origin, code } = pairs[i];
    const who = `${code ? PREVIOUS : THIS} of the edge, ${origin === origins[0] ? THIS : PREVIOUS} of the origin`;
    const answer = await until(`${who}: live prices`, 10_000, async () => {
      const answer = await edge.ask();
      return answer.status === 200 && json(answer).mode === 'live' && answer;
    });
    assertContract(json(answer));
    assert.equal(answer.headers['pricecast-market'], 'custom', who);
    assert.equal(answer.headers['cache-control'], 'public, max-age=1', who);
    assert.match(answer.headers.etag, /^"\d+-\d+-\d+"$/, who);
    await until(`${who}: the same publication is 304`, 5000, async () => {
      const { headers } = await edge.ask();
      return (await edge.ask(PRICES, { headers: { 'if-none-match': headers.etag } })).status === 304;
    });
    assert.equal((await edge.health()).origin.reachable, true, who);
    assert.equal((await request(`${origin.url}${PRICES}`)).status, 403, `${who}: without the secret`);
    probed += 4;
  }
  figures(t, { probed, lies: 0, pairs: pairs.length });
});
