// A folder of Terraform's language as values: what it declares, and every text with an expression.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import hcl from '@cdktf/hcl2json';

/** Blocks of the language itself. The provider has none: what nests in it is attributes. */
const BLOCKS = new Set(
  ('terraform required_providers backend provider resource data module variable output locals validation lifecycle ' +
    'precondition postcondition check assert run variables mock_provider mock_resource mock_data moved import removed').split(' '),
);

/** Reads the files of one module; `told` names them to the reader. */
export async function readModule(folder, told = folder) {
  const module = { folder, variables: new Map(), locals: new Set(), outputs: new Set(), resources: [], calls: [], providers: [], files: [] };
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.tf')).sort()) {
    const file = await readFile(path.join(folder, name), `${told}/${name}`);
    module.files.push(file);
    for (const [name, [body]] of each(file.value.variable)) module.variables.set(name, { isRequired: !('default' in body) });
    for (const body of file.value.locals ?? []) for (const name of Object.keys(body)) module.locals.add(name);
    for (const [name] of each(file.value.output)) module.outputs.add(name);
    for (const [name, [body]] of each(file.value.module)) module.calls.push({ name, file, body });
    for (const [name, bodies] of each(file.value.provider)) for (const body of bodies) module.providers.push({ name, file, body });
    for (const kind of ['resource', 'data']) {
      for (const [type, named] of each(file.value[kind])) {
        for (const [name, [body]] of each(named)) module.resources.push({ kind, type, name, file, body });
      }
    }
    for (const { required_providers: [required] = [] } of file.value.terraform ?? []) {
      if (required?.cloudflare) module.requires = { ...required.cloudflare, file };
    }
  }
  return module;
}

/** One file: its value, its `told` name, its `strangeBlocks`. Variables and tests are read by it too. */
export async function readFile(file, told = file) {
  const text = readFileSync(file, 'utf8');
  // Its parser takes no other ending.
  const value = await hcl.parse(`${path.basename(file)}.tf`, text).catch((error) => {
    throw new Error(`${told}: ${error.message}`);
  });
  const strangeBlocks = [...text.matchAll(/^[ \t]*([a-z_]\w*)(?:[ \t]+"[^"]*")*[ \t]*\{/gm)]
    .filter(([, name]) => !BLOCKS.has(name))
    .map(({ 1: name, index }) => ({ name, line: text.slice(0, index).split('\n').length }));
  return { told, value, strangeBlocks };
}

/** Every expression below `value`, as it is written. */
export function expressions(value) {
  if (typeof value === 'string') {
    const [, whole] = value.match(/^\$\{([\s\S]*)\}$/) ?? [];
    return whole ? [whole] : [...value.matchAll(/[$%]\{([^}]*)\}/g)].map(([, part]) => part);
  }
  return value && typeof value === 'object' ? Object.values(value).flatMap(expressions) : [];
}

/**
 * What an expression may become where a list or an object is wanted, one by one: literal parts are
 * opened, both branches of a condition, the result of a `for`. `{ opaque }` where nobody can look in.
 */
export async function open(value) {
  const text = typeof value === 'string' ? value.match(/^\$\{([\s\S]*)\}$/)?.[1] : undefined;
  if (text === undefined) return [{ literal: value }];
  return openNode(await hcl.getExpressionAst('expression.tf', text), text);
}

async function openNode(node, text) {
  const again = (part) => open(`\${${part}}`);
  switch (node?.type) {
    case 'object':
      return [{ literal: Object.fromEntries(Object.entries(node.meta.items).map(([key, item]) => [unquoted(key), expression(item)])) }];
    case 'tuple':
      return [{ literal: node.children.map((child) => expression(child.meta.value)) }];
    case 'conditional':
      return [...(await again(node.meta.trueExpression)), ...(await again(node.meta.falseExpression))];
    case 'for': {
      const of = expression(node.meta.valueExpression);
      return [{ literal: node.meta.keyExpression ? { 'for': of } : [of] }];
    }
    case 'parentheses':
      return again(text.trim().slice(1, -1));
    case 'literalValue':
      return text.trim() === 'null' ? [] : [{ literal: text.trim() }];
    default:
      return [{ opaque: text }];
  }
}

/** As the parser gives a nested value: text without its quotes, anything else as an expression. */
function expression(text) {
  const plain = text.match(/^"([^"\\$%]*)"$/)?.[1];
  return plain ?? (/^(true|false|-?\d+)$/.test(text) ? JSON.parse(text) : `\${${text}}`);
}

const unquoted = (key) => key.replace(/^"(.*)"$/, '$1');
const each = (value) => Object.entries(value ?? {});
