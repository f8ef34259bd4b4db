// Measures Pricecast beside its peers, in one run on this machine, and writes what came out.
//
//   make bench                                everything (~7 min, building not counted)
//   make bench ONLY=edge ROUNDS=21            some of: edge start origin running ingest; more rounds
//
// The unit is CPU time: on a shared machine the clock on the wall measures the neighbours.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { edgeFile } from '../e2e/harness/paths.mjs';
import { root } from '../scripts/places.mjs';
import { measureEdge, measureStart } from './edge.mjs';
import { measureIngest } from './ingest.mjs';
import { hasWrk } from './load.mjs';
import { machine } from './machine.mjs';
import { measureOrigin, measureRunning } from './origin.mjs';
import { write } from './report.mjs';

const PARTS = { edge: measureEdge, start: measureStart, origin: measureOrigin, running: measureRunning, ingest: measureIngest };

const rounds = Number(process.env.ROUNDS ?? 9);
const seconds = Number(process.env.SECONDS_EACH ?? 2);
const only = process.env.ONLY?.split(',') ?? Object.keys(PARTS);

const say = (text) => console.log(`bench: ${text}`);

/** What `make` was given, or why it cannot be. */
function mistakes() {
  const said = [];
  const unknown = only.filter((part) => !(part in PARTS));
  if (unknown.length > 0) said.push(`ONLY=${unknown}: the parts are ${Object.keys(PARTS).join(', ')}`);
  if (!(Number.isInteger(rounds) && rounds >= 1)) said.push(`ROUNDS=${process.env.ROUNDS}: a whole number of rounds, 9 for instance`);
  if (!(Number.isInteger(seconds) && seconds >= 1)) said.push(`SECONDS_EACH=${process.env.SECONDS_EACH}: whole seconds, 2 for instance`);
  if (process.platform !== 'linux') said.push('CPU time is read from /proc, which only Linux has');
  if (!hasWrk()) said.push('wrk is not installed: scripts/setup bench');
  return said;
}

async function main() {
  const said = mistakes();
  for (const mistake of said) console.error(`bench: ${mistake}`);
  if (said.length > 0) process.exit(64);

  const measured = { machine: machine(), rounds, seconds, versions: versions() };
  const wasm = readFileSync(edgeFile('build/index_bg.wasm'));
  const script = ['entry.mjs', 'recover.mjs', 'build/index.js'].map((name) => readFileSync(edgeFile(name)));
  measured.size = { gzipBytes: gzipSync(Buffer.concat([wasm, ...script]), { level: 9 }).length, wasmBytes: wasm.length };
  for (const [part, measure] of Object.entries(PARTS)) {
    if (!only.includes(part)) continue;
    say(part);
    measured[part] = await measure({ rounds, seconds, tell: (text) => say(`  ${text}`) });
  }
  const isWhole = Object.keys(PARTS).every((part) => only.includes(part));
  await write(measured, isWhole ? path.join(root, 'bench') : undefined);
}

function versions() {
  const first = (command, ...args) => {
    try {
      return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0].trim();
    } catch {
      return undefined;
    }
  };
  return { workerd: first(path.join(root, 'node_modules/.bin/workerd'), '--version'), rustc: first('rustc', '--version') };
}

await main();
