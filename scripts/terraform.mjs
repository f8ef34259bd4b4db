// terraform/ without an account, the provider or a network.
//
//   node scripts/terraform.mjs                        every name in it, against the provider's schema
//   node scripts/terraform.mjs stand-in COMMAND...    runs COMMAND, to which the provider is one that knows only that schema

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { root, setup } from './places.mjs';
import { check } from './terraform/check.mjs';
import { Schema } from './terraform/schema.mjs';
import { startStandIn } from './terraform/stand-in.mjs';

const schema = new Schema(path.join(setup, 'provider-schema'));
const { found, types, counts } = await check(path.join(root, 'terraform'), schema);
const [mode, program, ...args] = process.argv.slice(2);

if (mode === 'stand-in') {
  const { env } = await startStandIn(schema, types);
  const [code] = await once(spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } }), 'exit');
  process.exit(code ?? 1);
}
for (const sentence of found) console.error(sentence);
console.log(`terraform: ${counts.resources} resources in ${counts.modules} modules against the schema of cloudflare ${schema.version}: ${found.length} mistakes`);
// The parser's own runtime would keep the process.
process.exit(found.length === 0 ? 0 : 1);
