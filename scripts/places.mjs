// Where things are: the repository, what cargo builds, and the tools that scripts/setup brings.

import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
export const target = path.resolve(root, process.env.CARGO_TARGET_DIR || 'target');
/** What scripts/setup has brought. */
export const setup = path.resolve(root, process.env.SETUP_DIR || '.setup');
export const tools = path.join(setup, 'bin');
/** The PATH on which those tools are found first. */
export const PATH = `${tools}:${process.env.PATH}`;
