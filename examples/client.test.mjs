import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import test from 'node:test';
import { ageMs, isFlagged, isTaken, nextPollMs, watch } from './client.mjs';

const cases = JSON.parse(readFileSync(new URL('../docs/client-rule.json', import.meta.url), 'utf8'));

for (const [name, rule, result] of [
  ['age', ageMs, 'ageMs'],
  ['flag', isFlagged, 'flagged'],
  ['nextPoll', nextPollMs, 'pauseMs'],
  ['take', isTaken, 'taken'],
]) {
  test(`the example does what the published cases of "${name}" say`, () => {
    assert.ok(cases[name].length >= 4);
    for (const each of cases[name]) assert.equal(rule(each), each[result], JSON.stringify(each));
  });
}

/** A service whose answers are `answer(n)`: `{status, now, body}`. */
async function serve(t, answer) {
  let asked = 0;
  const server = createServer((_, response) => {
    const { status = 200, now, body } = answer((asked += 1));
    response.writeHead(status, { 'content-type': 'application/json', ...(now && { 'pricecast-now': String(now) }) }).end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

const body = (seq, price) => ({ epoch: 1, seq, prices: [{ symbol: 'BTC', price, confirmedAt: 1_000_000, stale: false }] });

/** The first that is shown of which `holds` is true. */
const shown = (t, url, holds) =>
  new Promise((resolve) => {
    const stop = watch(url, (prices) => holds(prices[0]) && resolve(prices[0]));
    t.after(stop);
  });

test('a price that nobody confirms is flagged on the screen without another answer', async (t) => {
  const url = await serve(t, (n) => (n === 1 ? { now: 1_004_700, body: body(1, 7) } : { status: 503, body: {} }));
  const { ageMs: age, price } = await shown(t, url, ({ isFlagged }) => isFlagged);
  assert.ok(age >= 5_000 && price === 7);
});

for (const [what, now] of [['no', undefined], ['an odd', 'soon']]) {
  test(`an answer with ${what} Pricecast-Now is not shown as young`, async (t) => {
    const url = await serve(t, (n) => (n === 1 ? { now, body: body(1, 7) } : { now: 1_000_100, body: body(2, 8) }));
    const { price } = await shown(t, url, () => true);
    assert.equal(price, 8);
  });
}

test('an answer older than what is shown is dropped', async (t) => {
  const answers = [body(5, 50), body(4, 40), body(6, 60)];
  const url = await serve(t, (n) => ({ now: 1_003_300, body: answers[Math.min(n, 3) - 1] }));
  const seen = new Set();
  await shown(t, url, ({ price }) => seen.add(price) && price === 60);
  assert.deepEqual([...seen], [50, 60]);
});
