// What the fuzzers start from, beside fuzz/corpus: files of this repository and, where they are
// there, recorded messages of the exchanges. They go into a scratch folder, never into the repository.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Each frame behind a byte that says: 10 ms after the one before it. */
const asSession = (text) => text.split('\n').filter(Boolean).map((line) => `1${line}`).join('\n');
/** One answer behind two bytes that say: a body, after 100 ms. */
const asPoll = (text) => `31${text}`;

/** Where each target's further seeds come from, and what makes an input of them. */
const SOURCES = {
  kraken: [
    ['origin/fixtures', /^kraken_.*\.ndjson$/, asSession],
    ['../shared/market-data/kraken', /\.(ndjson|json|txt|html)$/, asSession],
  ],
  coinbase: [
    ['origin/fixtures', /^coinbase_.*\.json$/, asPoll],
    ['../shared/market-data/coinbase', /\.(ndjson|json|html)$/, asPoll],
  ],
  snapshot: [['crates/wire/tests/golden', /\.json$/, (text) => text]],
  config: [['origin', /^config\.example\.toml$/, (text) => text]],
};

/** Fills `folder`; returns how many seeds it now has from elsewhere. */
export function copySeeds(target, root, folder) {
  mkdirSync(folder, { recursive: true });
  let copied = 0;
  for (const [source, pattern, make] of SOURCES[target] ?? []) {
    const from = path.join(root, source);
    if (!existsSync(from)) continue;
    for (const name of readdirSync(from).filter((name) => pattern.test(name) && !name.endsWith('.source.txt'))) {
      writeFileSync(path.join(folder, name), make(readFileSync(path.join(from, name), 'utf8')));
      copied += 1;
    }
  }
  return copied;
}
