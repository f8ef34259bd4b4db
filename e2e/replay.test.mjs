// The record of a running origin, and `pricecast replay` on it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { json } from './harness/http.mjs';
import { startMarket } from './harness/market.mjs';
import { startOrigin } from './harness/origin.mjs';
import { binary } from './harness/paths.mjs';
import { lasts, until } from './harness/until.mjs';

const recordOf = (origin) => path.join(origin.stateDir, 'record');

function replay(...args) {
  const { status, stdout, stderr } = spawnSync(binary('pricecast'), ['replay', ...args], { encoding: 'utf8' });
  const compared = /publications +([\d,]+) compared, ([\d,]+) identical/.exec(stdout) ?? [];
  const [publications, identical] = compared.slice(1).map((text) => Number(text.replaceAll(',', '')));
  return { status, stdout, stderr, publications, identical };
}

const inMode = (origin, mode) =>
  until(`the mode is ${mode}`, 30_000, async () => json(await origin.ask()).mode === mode);

test('an incident recorded by an origin that was killed, and started again, replays to the byte', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  await inMode(origin, 'live');
  await market.fault({ target: 'kraken', fault: 'silence' });
  await inMode(origin, 'fallback');
  await market.clear();
  await inMode(origin, 'live');
  // What is written is on its way to the disk within a second.
  await lasts(1_200);
  await origin.kill();

  const killed = replay(recordOf(origin));
  assert.equal(killed.status, 0, killed.stdout + killed.stderr);
  assert.ok(killed.publications > 15, killed.stdout);
  assert.equal(killed.identical, killed.publications);

  await origin.start();
  await inMode(origin, 'live');
  const { body } = await until('a publication of the second run', 10_000, async () => origin.ask());
  await lasts(500);
  await origin.stop();
  const both = replay('--print', recordOf(origin));
  assert.equal(both.status, 0, both.stdout.slice(-2_000) + both.stderr);
  assert.match(both.stdout, /record +2 segments/);
  assert.ok(both.publications > killed.publications);
  const { seq, epoch } = JSON.parse(body);
  assert.ok(both.stdout.includes(`"seq":${seq},"epoch":${epoch}`), 'what a client was given is among what is printed');
});

test('a record that was changed is found out, and what is no record is refused with the reason', async (t) => {
  const market = await startMarket(t);
  const origin = await startOrigin(t, market);
  await inMode(origin, 'live');
  await lasts(2_000);
  await origin.stop();
  const [segment] = readdirSync(recordOf(origin));
  const file = path.join(recordOf(origin), segment);
  const text = readFileSync(file, 'utf8');

  writeFileSync(file, text.replaceAll(/("kraken_update":\{"symbol":"BTC","price":")\d/g, '$19'));
  const changed = replay(file);
  assert.equal(changed.status, 1, changed.stdout);
  assert.match(changed.stdout, /misread +first BTC at 20/);
  assert.match(changed.stdout, /different +first at 20.*\nNOT identical\n$/s);

  writeFileSync(file, text.replace('\n', '\nnot a line\n'));
  const garbage = replay(file);
  assert.equal(garbage.status, 65);
  assert.match(garbage.stderr, /is no record of the origin's, or of a later version: line 2: /);
  const missing = replay(path.join(origin.stateDir, 'nowhere'));
  assert.equal(missing.status, 65);
  assert.match(missing.stderr, /read .*nowhere: No such file/);
  const empty = replay(origin.stateDir);
  assert.equal(empty.status, 65);
  assert.match(empty.stderr, /has no segment of a record .* give the folder `record` below the origin's state_dir/);
});

test('an origin told to keep no record keeps none', async (t) => {
  const origin = await startOrigin(t, await startMarket(t), { PRICECAST_RECORD__MAX_MIB: '0' });
  await inMode(origin, 'live');
  assert.ok(!existsSync(recordOf(origin)));
});
