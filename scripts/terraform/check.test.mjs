// That each kind of mistake is found, by the sentence it is told in; and that terraform/ has none.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { root, setup } from '../places.mjs';
import { check } from './check.mjs';
import { Schema } from './schema.mjs';

const schema = new Schema(path.join(setup, 'provider-schema'));

const VERSIONS = `terraform {
  required_providers {
    cloudflare = { source = "cloudflare/cloudflare", version = "${schema.version}" }
  }
}
`;

/** What is found in a root module of these files. */
async function found(t, files) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'pricecast-terraform-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries({ 'versions.tf': VERSIONS, ...files })) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return (await check(folder, schema, 'terraform')).found;
}

const ZONE = 'variable "zone_id" {}\n';
/** A ruleset with these rules. */
const ruleset = (rules, more = '') =>
  `${ZONE}resource "cloudflare_ruleset" "cache" {\n  zone_id = var.zone_id\n  name = "n"\n  kind = "zone"\n  phase = "http_request_cache_settings"\n${more}  rules = ${rules}\n}\n`;
const rule = (parameters) => `{ expression = "true", action = "set_cache_settings", action_parameters = ${parameters} }`;
const AT = 'terraform/main.tf: cloudflare_ruleset.cache:';

const mistakes = [
  ['a resource that is not there', 'resource "cloudflare_worker_route" "api" {}', 'terraform/main.tf: cloudflare_worker_route.api: the provider has no resource "cloudflare_worker_route"'],
  ['a data source that is not there', 'data "cloudflare_rulset" "all" {}', 'terraform/main.tf: data.cloudflare_rulset.all: the provider has no data source "cloudflare_rulset"'],
  ['a misspelt attribute', ruleset('[]', '  descripton = "d"\n'), `${AT} no attribute "descripton": did you mean "description"?`],
  ['an attribute of another version', ruleset('[]', '  cache_options = {}\n'), `${AT} no attribute "cache_options"`],
  ['a missing attribute', `${ZONE}resource "cloudflare_tiered_cache" "x" {\n  zone_id = var.zone_id\n}`, 'terraform/main.tf: cloudflare_tiered_cache.x: the attribute "value" is missing'],
  ['a misspelt attribute in a list', ruleset('[{ expression = "true", actions = "block", action = "block" }]'), `${AT} no attribute "rules[0].actions": did you mean "action"?`],
  ['a missing attribute in a list', ruleset('[{ action = "block" }]'), `${AT} the attribute "rules[0].expression" is missing`],
  ['a misspelt attribute three objects down', ruleset(`[${rule('{ cache_key = { custom_key = { query_strings = {} } } }')}]`), `${AT} no attribute "rules[0].action_parameters.cache_key.custom_key.query_strings": did you mean "query_string"?`],
  ['a misspelt attribute in a map', ruleset(`[${rule('{ headers = { "X-Any" = { operation = "set", val = "v" } } }')}]`), `${AT} no attribute "rules[0].action_parameters.headers["X-Any"].val": did you mean "value"?`],
  ['a misspelt attribute in what a for makes', ruleset(`[for path in ["/a"] : ${rule('{ cash = true }')}]`), `${AT} no attribute "rules[0].action_parameters.cash": did you mean "cache"?`],
  ['a misspelt attribute in the other branch', ruleset(`var.zone_id == "" ? [] : [${rule('{ edge_ttl = { mod = "respect_origin", mode = "respect_origin" } }')}]`), `${AT} no attribute "rules[0].action_parameters.edge_ttl.mod": did you mean "mode"?`],
  ['an old block', `${ZONE}resource "cloudflare_ruleset" "cache" {\n  zone_id = var.zone_id\n  name = "n"\n  kind = "zone"\n  phase = "http_ratelimit"\n  rules {\n    expression = "true"\n    action = "block"\n  }\n}`, 'terraform/main.tf:7: "rules" is written as a block, and the provider has none: write rules = { … }'],
  ['an object where a list belongs', ruleset('{ expression = "true", action = "block" }'), `${AT} "rules" takes a list: [ … ]`],
  ['a list where an object belongs', ruleset(`[${rule('[]')}]`), `${AT} "rules[0].action_parameters" takes an object: { … }`],
  ['an object where a text belongs', ruleset('[]', '  description = { a = 1 }\n'), `${AT} "description" takes a string`],
  ['a value that is none of those there are', ruleset(`[${rule('{ edge_ttl = { mode = "respect" } }')}]`), `${AT} "rules[0].action_parameters.edge_ttl.mode" takes one of "respect_origin", "bypass_by_default", "override_origin", not "respect"`],
  ['what cannot be looked into', `${ruleset('local.rules')}locals {\n  rules = []\n}`, `${AT} "rules" is "local.rules", which cannot be looked into: write it where it is used`],
  ['a variable that is not declared', 'output "x" {\n  value = "a-${var.zone}"\n}', 'terraform/main.tf: "var.zone": there is no variable "zone"'],
  ['a local value that is not declared', 'locals {\n  paths = []\n}\noutput "x" {\n  value = local.path\n}', 'terraform/main.tf: "local.path": there is no local value "path": did you mean "paths"?'],
  ['a resource that is not declared', 'output "x" {\n  value = cloudflare_ruleset.cash.id\n}', 'terraform/main.tf: "cloudflare_ruleset.cash.id": there is no resource "cloudflare_ruleset" "cash"'],
  ['an attribute that cannot be read', `${ruleset('[]')}output "x" {\n  value = cloudflare_ruleset.cache.uuid\n}`, 'terraform/main.tf: "cloudflare_ruleset.cache.uuid": cloudflare_ruleset has no attribute "uuid"'],
  ['an attribute that cannot be read, in a loop', `${ruleset('[]')}output "x" {\n  value = [for key, one in cloudflare_ruleset.cache : one.uuid]\n}`, 'terraform/main.tf: "cloudflare_ruleset.cache.uuid": cloudflare_ruleset has no attribute "uuid"'],
  ['a nested attribute that cannot be read', `${ruleset('[]')}output "x" {\n  value = cloudflare_ruleset.cache.rules[0].action_parameters.cash\n}`, 'terraform/main.tf: "cloudflare_ruleset.cache.rules[0].action_parameters.cash": cloudflare_ruleset has no attribute "rules.action_parameters.cash"'],
];

for (const [what, text, sentence] of mistakes) {
  test(`${what} is told`, async (t) => {
    assert.deepEqual(await found(t, { 'main.tf': text }), [sentence]);
  });
}

const PART = 'variable "name" {}\nvariable "size" {\n  default = 1\n}\noutput "id" {\n  value = var.name\n}\n';
const call = (args, value = 'module.part.id') => ({ 'parts/main.tf': PART, 'main.tf': `module "part" {\n  source = "./parts"\n${args}}\noutput "x" {\n  value = ${value}\n}\n` });

for (const [what, files, sentence] of [
  ['an argument that a module does not take', call('  name = "n"\n  sizes = 2\n'), 'terraform/main.tf: module.part: there is no variable "sizes": did you mean "size"?'],
  ['an argument that a module lacks', call(''), 'terraform/main.tf: module.part: the variable "name" is missing'],
  ['an output that a module does not give', call('  name = "n"\n', 'module.part[0].ids'), 'terraform/main.tf: "module.part[0].ids": the module "part" has no output "ids": did you mean "id"?'],
  ['a module that is not called', call('  name = "n"\n', 'module.parts.id'), 'terraform/main.tf: "module.parts.id": there is no module "parts"'],
  ['a mistake inside a module', { ...call('  name = "n"\n'), 'parts/main.tf': `${PART}resource "cloudflare_tiered_cache" "x" {\n  zone_id = var.name\n  value = "of"\n}` }, 'terraform/parts/main.tf: cloudflare_tiered_cache.x: "value" takes one of "on", "off", not "of"'],
  ['an example with an unknown variable', { 'main.tf': ZONE, 'examples/a.tfvars': 'zone_id = "z"\nzones = 1\n' }, 'terraform/examples/a.tfvars: there is no variable "zones"'],
  ['a value for an unknown variable', { 'main.tf': ZONE, 'staging.tfvars': 'zone_id = "z"\nenv = "staging"\n' }, 'terraform/staging.tfvars: there is no variable "env"'],
  ['an example that lacks a variable', { 'main.tf': ZONE, 'examples/a.tfvars': '' }, 'terraform/examples/a.tfvars: the variable "zone_id" is missing'],
  ['a test of an output that is not there', { 'main.tf': ZONE, 'tests/a.tftest.hcl': 'run "r" {\n  variables {\n    zone_id = "z"\n  }\n  assert {\n    condition = output.y == ""\n    error_message = "m"\n  }\n}\n' }, 'terraform/tests/a.tftest.hcl: "output.y": there is no output "y"'],
  ['a test that lacks a variable', { 'main.tf': ZONE, 'tests/a.tftest.hcl': 'run "r" {\n}\n' }, 'terraform/tests/a.tftest.hcl: run "r": the variable "zone_id" is missing'],
  ['another version than the one that is checked', { 'versions.tf': VERSIONS.replace(schema.version, '~> 5.0') }, `terraform/versions.tf: the provider is "~> 5.0", the schema in use is that of "${schema.version}": name exactly this one`],
]) {
  test(`${what} is told`, async (t) => {
    assert.deepEqual(await found(t, files), [sentence]);
  });
}

test('what is right is not complained about, literal or not', async (t) => {
  const rules = `concat([]) == [] ? null : [for path in ["/a"] : {
    expression = "path \${path}"
    action = "rewrite"
    action_parameters = var.zone_id == "" ? null : { headers = { for name in ["X"] : name => { operation = "set", value = name } } }
  }]`;
  const text = `${ruleset(rules, '  lifecycle {\n    prevent_destroy = true\n  }\n')}output "x" {\n  value = [cloudflare_ruleset.cache.last_updated, cloudflare_ruleset.cache.rules[*].ratelimit.period]\n}`;
  assert.deepEqual(await found(t, { 'main.tf': text }), []);
});

test('terraform/ names only what the provider has', async () => {
  const { found, counts } = await check(path.join(root, 'terraform'), schema);
  assert.deepEqual(found, []);
  assert.ok(counts.resources >= 10, `${counts.resources} resources were looked at`);
});
