// Where the things under test lie.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { root, target } from '../../scripts/places.mjs';
import { cleanup } from './cleanup.mjs';

/** A program as `make run` builds it. */
export function binary(name) {
  return built(path.join(target, 'release', name), 'scripts/test build');
}

/** A file of the built Worker's. */
export function edgeFile(name) {
  return built(path.join(root, 'edge', name), 'scripts/test wasm');
}

function built(file, step) {
  if (!existsSync(file)) throw new Error(`${file} is not built: run ${step} first`);
  return file;
}

/** A fresh folder, removed after the test. */
export function freshFolder(t, name) {
  const folder = mkdtempSync(path.join(os.tmpdir(), `pricecast-e2e-${name}-`));
  cleanup(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
