// Holds terraform/ against the provider's schema: names only, without an account, the provider or a network.

import path from 'node:path';
import { root, setup } from './places.mjs';
import { check } from './terraform/check.mjs';
import { Schema } from './terraform/schema.mjs';

const schema = new Schema(path.join(setup, 'provider-schema'));
const { found, counts } = await check(path.join(root, 'terraform'), schema);
for (const sentence of found) console.error(sentence);
console.log(`terraform: ${counts.resources} resources in ${counts.modules} modules against the schema of cloudflare ${schema.version}: ${found.length} mistakes`);
// The parser's own runtime would keep the process.
process.exit(found.length === 0 ? 0 : 1);
