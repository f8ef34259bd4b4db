// Coins that not every exchange lists, through the whole path.

import assert from 'node:assert/strict';
import test from 'node:test';
import { assertContract } from './harness/check.mjs';
import { startEdge } from './harness/edge.mjs';
import { json } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { until } from './harness/until.mjs';

for (const [how, args] of [
  ['leaves out products it does not know', []],
  ['refuses a list with a product it does not know', ['--refuse-unknown-products']],
]) {
  test(`where Coinbase ${how}, a coin unknown to Kraken comes from Coinbase, and the others from Kraken`, async (t) => {
    const market = await startMarket(t, [
      ...['--symbols', 'BTC,ETH,ONLYCB,ONLYKR,NOWHERE'],
      ...['--kraken-without', 'ONLYCB,NOWHERE', '--coinbase-without', 'ONLYKR,NOWHERE'],
      ...args,
    ]);
    const origin = await startOrigin(t, market, { PRICECAST_SYMBOLS: 'BTC,ETH,ONLYCB,ONLYKR,NOWHERE' });
    const edge = await startEdge(t, { origins: [origin] });
    const sources = { BTC: 'kraken', ETH: 'kraken', ONLYCB: 'coinbase', ONLYKR: 'kraken' };
    const body = await until('each coin comes from where it is listed', 15_000, async () => {
      const body = json(await edge.ask());
      const found = Object.fromEntries(body.prices.map(({ symbol, source }) => [symbol, source]));
      return JSON.stringify(found) === JSON.stringify(sources) && body;
    });
    assertContract(body);
    assert.ok(!body.stale);
    assert.deepEqual(body.unavailable, ['NOWHERE']);
    assert.equal(body.mode, 'degraded');
  });
}
