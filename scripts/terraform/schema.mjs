// What the provider takes and gives, read from the TypeScript declarations that were generated from
// its schema: one folder for each resource. The links in their comments have Terraform's own spelling.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const TYPE_PREFIX = 'cloudflare_';

/** The schema in `folder`; resources are read when they are asked for. */
export class Schema {
  #folder;
  #read = new Map();

  constructor(folder) {
    if (!existsSync(folder)) throw new Error(`${folder} is missing: run scripts/setup first`);
    this.#folder = folder;
  }

  /** The provider's version that it was generated from. */
  get version() {
    const text = readFileSync(path.join(this.#folder, 'ruleset', 'index.d.ts'), 'utf8');
    return text.match(/registry\.terraform\.io\/providers\/cloudflare\/cloudflare\/([\d.]+)\//)[1];
  }

  /**
   * A resource, or a data source: `attributes` that may be set, by name; `given`, those that can be
   * read; and `gives(name)`, whether one of them is that. Undefined where the provider has none of that type.
   */
  resource(type, kind = 'resource') {
    const name = `${kind === 'data' ? 'data-cloudflare-' : ''}${type.slice(TYPE_PREFIX.length).replaceAll('_', '-')}`;
    const file = path.join(this.#folder, name, 'index.d.ts');
    if (!type.startsWith(TYPE_PREFIX) || !existsSync(file)) return undefined;
    if (!this.#read.has(file)) this.#read.set(file, parse(readFileSync(file, 'utf8')));
    return this.#read.get(file);
  }
}

function parse(text) {
  const members = new Map();
  let root;
  for (const [, name, meta, body] of text.matchAll(/^export interface (\w+)( extends cdktf\.TerraformMetaArguments)? \{\n([\s\S]*?)^\}/gm)) {
    members.set(name, body);
    if (meta) root = name;
  }
  const [, resourceClass] = text.match(/^export declare class \w+ extends cdktf\.Terraform(?:Resource|DataSource) \{\n([\s\S]*?)^\}/m);
  const getters = [...resourceClass.matchAll(/^ {4}get (\w+)\(\)/gm)].map(([, name]) => name);
  const given = new Set(getters.map(plain));
  return {
    attributes: attributes(root, members),
    gives: (name) => given.has(plain(name)),
    given: getters.filter((name) => !name.endsWith('Input')).map(snake),
  };
}

const MEMBER = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*readonly (\w+)(\?)?: ((?:\{[^}]*\})?[^;{]*);/g;

function attributes(name, members) {
  const found = new Map();
  for (const [, comment, , isOptional, type] of members.get(name).matchAll(MEMBER)) {
    const values = comment.match(/Available values: (.*)/)?.[1];
    found.set(comment.match(/#(\w+) \w+#\1\}/)[1], {
      isRequired: !isOptional,
      values: values && [...values.matchAll(/"([^"]*)"/g)].map(([, value]) => value),
      shape: shape(type, members),
    });
  }
  return found;
}

/** Of a declared type: `{ kind }`, and `of` for a list or map, `attributes` for an object. */
function shape(type, members) {
  const bare = type.replace(/ \| cdktf\.IResolvable$/, '').trim();
  if (bare.endsWith('[]')) return { kind: 'list', of: shape(bare.slice(0, -2), members) };
  const of = bare.match(/^\{\s*\[key: string\]: ([\s\S]*);\s*\}$/)?.[1];
  if (of === 'any') return { kind: 'any' };
  if (of) return { kind: 'map', of: shape(of, members) };
  if (/^(string|number|boolean)$/.test(bare)) return { kind: bare };
  if (!members.has(bare)) throw new Error(`the schema has a type that is not understood: ${type}`);
  return { kind: 'object', get attributes() { return attributes(bare, members); } };
}

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** `accountId` and `account_id` are one name. */
function plain(name) {
  return name.replaceAll('_', '').toLowerCase();
}
