// Holds a Terraform configuration against the provider's schema without the provider: every resource,
// every attribute at any depth, and every name that an expression refers to.

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expressions, open, readFile, readModule } from './config.mjs';

const META = ['count', 'for_each', 'depends_on', 'lifecycle', 'provider'];
const CALL_META = ['source', 'count', 'for_each', 'depends_on', 'providers'];

/**
 * Everything that is wrong in `folder`, a sentence each: the root module and all it calls, values for
 * it there and in `examples/`, its tests in `tests/`.
 */
export async function check(folder, schema, told = path.basename(folder)) {
  const modules = await readAll(folder, told);
  const [root] = modules;
  const found = [...checkVersion(root, schema)];
  for (const module of modules) found.push(...(await checkModule(module, schema)));
  for (const [inside, ending] of [['.', '.tfvars'], ['examples', '.tfvars'], ['tests', '.tftest.hcl']]) {
    for (const name of list(path.join(folder, inside)).filter((name) => name.endsWith(ending))) {
      found.push(...checkFile(await readFile(path.join(folder, inside, name), path.join(told, inside, name)), root, schema));
    }
  }
  const resources = modules.flatMap(({ resources }) => resources);
  const types = new Set(resources.filter(({ kind }) => kind === 'resource').map(({ type }) => type));
  return { found, types: [...types], counts: { modules: modules.length, resources: resources.length } };
}

/** The root module first, then those it calls, each once. */
async function readAll(folder, told) {
  const modules = new Map();
  const visit = async (folder, told) => {
    if (modules.has(folder)) return modules.get(folder);
    const module = await readModule(folder, told);
    modules.set(folder, module);
    for (const call of module.calls) call.module = await visit(path.join(folder, call.body.source), path.join(told, call.body.source));
    return module;
  };
  await visit(folder, told);
  return [...modules.values()];
}

const list = (folder) => (existsSync(folder) ? readdirSync(folder).sort() : []);

async function checkModule(module, schema) {
  const found = [];
  for (const file of module.files) found.push(...blocks(file), ...references(module, schema, file));
  for (const resource of module.resources) {
    const { kind, type, name, file, body } = resource;
    const at = `${file.told}: ${kind === 'data' ? 'data.' : ''}${type}.${name}`;
    const known = schema.resource(type, kind);
    if (!known) found.push(`${at}: the provider has no ${kind === 'data' ? 'data source' : 'resource'} "${type}"`);
    else found.push(...(await object(without(body, META), known.attributes, at, '')));
  }
  for (const { name, file, body, module: called } of module.calls) {
    found.push(...taken(without(body, CALL_META), called.variables, `${file.told}: module.${name}`));
  }
  return found;
}

/** A file of values for the root module, or a test of it. */
function checkFile(file, root, schema) {
  const isTest = Boolean(file.value.run);
  if (!isTest) return taken(file.value, root.variables, file.told);
  const common = file.value.variables?.[0] ?? {};
  const runs = Object.entries(file.value.run).flatMap(([name, [run]]) =>
    taken({ ...common, ...run.variables?.[0] }, root.variables, `${file.told}: run "${name}"`),
  );
  return [...blocks(file), ...runs, ...references(root, schema, file)];
}

/** Whether the version that is used is the one that is checked. */
function checkVersion({ requires }, schema) {
  if (requires?.version === schema.version) return [];
  return [`${requires?.file.told ?? 'the root module'}: the provider is "${requires?.version}", the schema in use is that of "${schema.version}": name exactly this one`];
}

function blocks({ told, strangeBlocks }) {
  return strangeBlocks.map(({ name, line }) => `${told}:${line}: "${name}" is written as a block, and the provider has none: write ${name} = { … }`);
}

function taken(given, variables, at) {
  const unknown = Object.keys(given).filter((name) => !variables.has(name));
  const missing = [...variables].filter(([name, { isRequired }]) => isRequired && !(name in given));
  return [
    ...unknown.map((name) => `${at}: there is no variable "${name}"${nearest(name, variables.keys())}`),
    ...missing.map(([name]) => `${at}: the variable "${name}" is missing`),
  ];
}

async function object(value, attributes, at, inside) {
  const found = [];
  for (const [name, given] of Object.entries(value)) {
    const attribute = attributes.get(name);
    const where = `${inside}${name}`;
    if (!attribute) found.push(`${at}: no attribute "${where}"${nearest(name, attributes.keys())}`);
    else found.push(...(await fits(given, attribute, at, where)));
  }
  for (const [name, { isRequired }] of attributes) {
    if (isRequired && !(name in value)) found.push(`${at}: the attribute "${inside}${name}" is missing`);
  }
  return found;
}

async function fits(given, { shape, values }, at, where) {
  const takes = (what) => `${at}: "${where}" takes ${what}`;
  if (['string', 'number', 'boolean'].includes(shape.kind)) {
    if (given !== null && typeof given === 'object') return [takes(`a ${shape.kind}`)];
    const isLiteral = typeof given === 'string' && !/[$%]\{/.test(given);
    if (isLiteral && values && !values.includes(given)) return [takes(`one of ${values.map((value) => `"${value}"`).join(', ')}, not "${given}"`)];
    return [];
  }
  if (shape.kind === 'any') return [];
  const found = [];
  for (const { literal, opaque } of await open(given)) {
    // A list or map of plain values holds no names.
    if (opaque !== undefined) {
      if (hasNames(shape)) found.push(`${at}: "${where}" is "${opaque}", which cannot be looked into: write it where it is used`);
    } else if (shape.kind === 'list') {
      if (!Array.isArray(literal)) found.push(takes('a list: [ … ]'));
      else for (const [i, item] of literal.entries()) found.push(...(await fits(item, { shape: shape.of }, at, `${where}[${i}]`)));
    } else if (literal === null || typeof literal !== 'object' || Array.isArray(literal)) {
      found.push(takes(`${shape.kind === 'map' ? 'a map' : 'an object'}: { … }`));
    } else if (shape.kind === 'map') {
      for (const [key, item] of Object.entries(literal)) found.push(...(await fits(item, { shape: shape.of }, at, `${where}["${key}"]`)));
    } else {
      found.push(...(await object(literal, shape.attributes, at, `${where}.`)));
    }
  }
  return found;
}

const hasNames = (shape) => shape.kind === 'object' || (shape.of !== undefined && hasNames(shape.of));

const REFERENCE = /(?<![\w."-])(?:(var|local|output)\.(\w+)|module\.(\w+)(?:\[[^\]]*\])?(?:\.(\w+))?|(data\.)?(cloudflare_\w+)\.(\w+)(?:\[[^\]]*\])?((?:\.\w+(?:\[[^\]]*\])?)*))/g;
const LOOP = /\bfor\s+(?:\w+\s*,\s*)?(\w+)\s+in\s+((?:data\.)?[\w]+\.[\w]+)\s*:/g;

function references(module, schema, { told, value }) {
  const found = new Set();
  for (const expression of expressions(value)) {
    // In `for x in THESE : x.name` the name is one of THESE's.
    const text = [...expression.matchAll(LOOP)].reduce((text, [, item, of]) => text.replace(new RegExp(`(?<![\\w.])${item}\\.(?=\\w)`, 'g'), `${of}.`), expression);
    for (const [whole, scope, name, call, output, data, type, resource, inside] of text.matchAll(REFERENCE)) {
      const wrong = scope ? declared(module, scope, name) : call ? returned(module, call, output) : read(module, schema, data ? 'data' : 'resource', type, resource, inside);
      if (wrong) found.add(`${told}: "${whole}": ${wrong}`);
    }
  }
  return [...found];
}

function declared(module, scope, name) {
  const names = { var: [...module.variables.keys()], local: [...module.locals], output: [...module.outputs] }[scope];
  const what = { var: 'variable', local: 'local value', output: 'output' }[scope];
  return names.includes(name) ? undefined : `there is no ${what} "${name}"${nearest(name, names)}`;
}

function returned(module, call, output) {
  const called = module.calls.find(({ name }) => name === call);
  if (!called) return `there is no module "${call}"`;
  if (!output || called.module.outputs.has(output)) return undefined;
  return `the module "${call}" has no output "${output}"${nearest(output, called.module.outputs)}`;
}

function read(module, schema, kind, type, name, inside) {
  const resource = module.resources.find((each) => each.kind === kind && each.type === type && each.name === name);
  if (!resource) return `there is no ${kind === 'data' ? 'data source' : 'resource'} "${type}" "${name}"`;
  const known = schema.resource(type, kind);
  const [first, ...deeper] = [...inside.matchAll(/\.(\w+)/g)].map(([, name]) => name);
  if (!known || !first) return undefined;
  const lacks = (names) => `${type} has no attribute "${names.join('.')}"`;
  if (!known.gives(first)) return lacks([first]);
  // What only the provider sets is not followed into: its declarations are of another kind.
  let shape = known.attributes.get(first)?.shape;
  for (const [i, name] of deeper.entries()) {
    while (shape?.kind === 'list') shape = shape.of;
    if (shape?.kind === 'object' && !shape.attributes.has(name)) return lacks([first, ...deeper.slice(0, i + 1)]);
    shape = shape?.kind === 'object' ? shape.attributes.get(name).shape : shape?.of;
  }
  return undefined;
}

/** The name that was perhaps meant. */
function nearest(name, names) {
  const near = [...names].map((other) => [distance(name, other), other]).sort(([a], [b]) => a - b)[0];
  return near && near[0] <= 2 ? `: did you mean "${near[1]}"?` : '';
}

function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

function without(body, names) {
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)));
}
