// The version before this one, as scripts/build-previous has built it.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { target } from '../../scripts/places.mjs';

const folder = path.join(target, 'previous');

/** Why a test that needs it is skipped where it is not. */
export const NOT_BUILT = 'the version before this one is not built, for want of its history (or of scripts/build-previous)';

/** Its origin's program and the folder of its Worker's code, if it is built. */
export function previousVersion() {
  if (!existsSync(path.join(folder, '.commit'))) return undefined;
  return { program: path.join(folder, 'origin', 'pricecast-origin'), code: path.join(folder, 'edge') };
}
