// What scripts/smoke does: asks a deployed edge as a client would, tells one line for each promise, and what
// cannot be seen on one machine. Exit code 1 when a promise is broken.

import { pathToFileURL } from 'node:url';
import { ageMs, isTaken } from '../examples/client.mjs';

const USAGE = 'usage: scripts/smoke URL [--any-market]     e.g. https://prices.example.com';
const ROUNDS = 5;
const PAUSE_MS = 1_200; // longer than a copy is given out as it is
const LIMIT_MS = 10_000;
const FRESH_FOR_MS = 5_000;
const PATH = '/api/v1/prices';

async function ask(url, headers = {}) {
  const sentAt = performance.now();
  const response = await fetch(url, { headers, cache: 'no-store', redirect: 'manual', signal: AbortSignal.timeout(LIMIT_MS) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, tookMs: performance.now() - sentAt };
}

/** An answer as a client reads it; throws a sentence where it cannot be. */
export function read({ status, headers, text, tookMs }) {
  if (status !== 200) throw new Error(`answered ${status}: ${text.slice(0, 200)}`);
  const body = JSON.parse(text);
  if (!(body.prices?.length > 0)) throw new Error('has no prices');
  const pricecastNow = Number(headers.get('pricecast-now'));
  if (!(pricecastNow > 0)) throw new Error('has no Pricecast-Now: something in front takes headers away');
  const age = headers.get('age');
  const ages = body.prices.map(({ confirmedAt }) =>
    ageMs({ confirmedAt, pricecastNow, ageHeaderS: age === null ? null : Number(age), sinceSendingMs: tookMs }));
  return { body, oldestMs: Math.max(...ages), hasLie: body.prices.some(({ stale }, i) => !stale && ages[i] - tookMs > FRESH_FOR_MS) };
}

/** What the caches on the way said of one answer. */
const told = ({ headers }) =>
  ['cache-status', 'cf-cache-status', 'age', 'cf-ray'].map((name) => `${name}: ${headers.get(name) ?? '–'}`).join(' · ');

/** Sentences that are broken promises in a row of answers, oldest first. */
export function broken(rounds, { anyMarket }) {
  const found = [];
  rounds.forEach(({ answer, reading: { body, oldestMs, hasLie } }, i) => {
    if (hasLie) found.push(`answer ${i + 1} shows a price older than 5 s as fresh`);
    else if (oldestMs >= FRESH_FOR_MS) found.push(`the oldest price in answer ${i + 1} is ${(oldestMs / 1000).toFixed(1)} s old: see the origin's /ready`);
    if (i > 0 && !isTaken({ shown: rounds[i - 1].reading.body, offered: body })) found.push(`answer ${i + 1} is older than the one before it`);
    const cacheControl = answer.headers.get('cache-control') ?? '';
    if (!/^(public, max-age=[12]|no-store)$/.test(cacheControl)) found.push(`answer ${i + 1} says Cache-Control: ${cacheControl || 'nothing'}: a browser TTL of the zone overrides the origin's`);
  });
  const { headers } = rounds[0].answer;
  if (!headers.get('etag')) found.push('there is no ETag');
  if (headers.get('pricecast-market') === 'custom' && !anyMarket) found.push('these are no real prices (Pricecast-Market: custom); --any-market lets them pass');
  return found;
}

/** Looks at `base` and tells `say` line by line; resolves to the broken promises. */
export async function smoke(base, { anyMarket = false, say }) {
  const url = new URL(PATH, base).href;
  const rounds = [];
  const found = [];
  for (let i = 0; i < ROUNDS; i += 1) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const answer = await ask(url);
    try {
      const reading = read(answer);
      rounds.push({ answer, reading });
      say(`     ${PATH}: ${reading.body.mode}, oldest ${(reading.oldestMs / 1000).toFixed(1)} s, in ${Math.round(answer.tookMs)} ms · ${told(answer)}`);
    } catch (error) {
      found.push(`${PATH} ${error.message}`);
    }
  }
  if (rounds.length > 0) {
    found.push(...broken(rounds, { anyMarket }));
    const again = await ask(url, { 'if-none-match': '*' });
    if (again.status !== 304) found.push(`If-None-Match is answered ${again.status} instead of 304`);
  }
  const health = await ask(new URL('/health', base).href);
  if (health.status === 200 && !health.text.includes('"status":"ok"')) found.push(`/health says ${health.text.slice(0, 300)}`);
  if (health.status !== 200) found.push(`/health answers ${health.status}: is the Worker on this route?`);
  for (const sentence of found) say(`FAIL ${sentence}`);
  if (found.length === 0) say(`ok   ${rounds.length} answers, fresh and in order; 304; /health`);
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const args = process.argv.slice(2);
  const [base, ...more] = args.filter((arg) => arg !== '--any-market');
  if (!/^https?:\/\//.test(base ?? '') || more.length > 0) {
    console.error(USAGE);
    process.exit(64);
  }
  try {
    const found = await smoke(base, { anyMarket: args.includes('--any-market'), say: console.log });
    process.exitCode = found.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(`FAIL ${base} cannot be asked: ${error.cause?.message ?? error.message}`);
    process.exitCode = 1;
  }
}
