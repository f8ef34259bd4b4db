// What a document tells its reader to follow or type is there: links, wrangler's commands, make's targets.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { root } from './places.mjs';

const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n');
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const documents = tracked.filter((name) => name.endsWith('.md') && existsSync(path.join(root, name)));

/** The anchors of a document's headings, as the usual hosts make them. */
function anchors(text) {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
  return headings.map((heading) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

/** Links that lead nowhere, with the document they are in. */
function broken(name, text) {
  const found = [];
  for (const [, target] of text.replace(/```[\s\S]*?```/g, '').matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file, anchor] = target.split('#');
    const to = file ? path.join(path.dirname(name), file) : name;
    if (!existsSync(path.join(root, to))) found.push(`${name}: ${target}`);
    else if (anchor && to.endsWith('.md') && !anchors(read(to)).includes(anchor)) found.push(`${name}: ${target} (no such heading)`);
  }
  return found;
}

test('every link in a document leads somewhere', () => {
  assert.ok(documents.includes('README.md') && documents.includes('docs/deploy.md'), documents.join(', '));
  assert.deepEqual(documents.flatMap((name) => broken(name, read(name))), []);
});

test('a link to no file and one to no heading are found', () => {
  assert.deepEqual(broken('docs/x.md', '[a](y.md) [b](../README.md#no-such) [c](../README.md#test-it) [d](https://example.com)'), [
    'docs/x.md: y.md',
    'docs/x.md: ../README.md#no-such (no such heading)',
  ]);
});

test('every make target that a document names is one', () => {
  const targets = new Set([...read('Makefile').matchAll(/^([a-z]+):/gm)].map(([, name]) => name));
  const named = documents.flatMap((name) => [...read(name).matchAll(/(?:`|^\s*)make ([a-z]+)\b/gm)].map(([, target]) => `${target} (${name})`));
  assert.ok(named.length > 10, named.join(', '));
  assert.deepEqual(named.filter((told) => !targets.has(told.split(' ')[0])), []);
});

/** wrangler's commands in a text, each with its flags: `deploy` with `--dry-run`, `--env`. */
function wranglerCommands(text) {
  return [...text.replace(/"[^"\n]*"/g, '""').matchAll(/npx wrangler ([^`#\n|&)]*)/g)].map(([, line]) => {
    const words = line.trim().split(/\s+/);
    const end = words.findIndex((word) => !/^[a-z][a-z0-9]*$/.test(word));
    return { command: words.slice(0, end < 0 ? words.length : end).join(' '), flags: words.filter((word) => /^--[a-z]/.test(word)).map((flag) => flag.split('=')[0]) };
  });
}

/** What wrangler says of a command: its help, which begins with its name. */
async function help(command) {
  const wrangler = path.join(root, 'node_modules/wrangler/bin/wrangler.js');
  const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' };
  const { stdout } = await promisify(execFile)(process.execPath, [wrangler, ...command.split(' '), '--help'], { env, cwd: root });
  return stdout;
}

/** Those that wrangler does not have. */
async function unknown(commands) {
  const wanted = new Map();
  for (const { command, flags } of commands) wanted.set(command, new Set([...(wanted.get(command) ?? []), ...flags]));
  const told = await Promise.all(
    [...wanted].map(async ([command, flags]) => {
      const text = await help(command);
      if (!text.trimStart().startsWith(`wrangler ${command}`)) return [`wrangler ${command}`];
      return [...flags].filter((flag) => !new RegExp(`${flag}\\b(?!-)`).test(text)).map((flag) => `wrangler ${command} ${flag}`);
    }),
  );
  return told.flat();
}

test("every command of wrangler's that a document names is one, with its flags", async () => {
  const texts = [...documents, 'wrangler.toml', '.dev.vars.example', 'terraform/backend.tf.example', 'terraform/outputs.tf'].map(read);
  const commands = texts.flatMap(wranglerCommands);
  assert.ok(commands.some(({ command, flags }) => command === 'versions deploy' && flags.includes('--env')), JSON.stringify(commands));
  assert.deepEqual(await unknown(commands), []);
});

test('a command and a flag that wrangler does not have are found', async () => {
  const commands = wranglerCommands('npx wrangler versions roll --env x\nnpx wrangler rollback --environment x');
  assert.deepEqual(await unknown(commands), ['wrangler versions roll', 'wrangler rollback --environment']);
});
