// The workflows as lists of what they use and run.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import YAML from 'yaml';
import { root } from '../../scripts/places.mjs';

const folder = path.join(root, '.github/workflows');

/** Every workflow: its file's name, text and contents. */
export function workflows() {
  return readdirSync(folder).map((file) => {
    const text = readFileSync(path.join(folder, file), 'utf8');
    return { file, text, ...YAML.parse(text) };
  });
}

/** Every job, and where it is. */
export const jobs = () => workflows().flatMap(({ file, jobs }) => Object.entries(jobs).map(([id, job]) => ({ at: `${file}, ${id}`, ...job })));

/** Every step, and in which job. */
export const steps = () => jobs().flatMap(({ at, steps = [] }) => steps.map((step) => ({ at, ...step })));

/** `action@commit # version` as written; of the comment nothing is left after parsing. */
export const uses = (text) => [...text.matchAll(/uses: (\S+)(?: # (\S+))?$/gm)].map(([, what, version]) => ({ what, version }));

/** The commands of this repository that a shell text calls: scripts, `.ci/run`, make's targets, the Rust version. */
export function commands(run) {
  const all = (pattern) => [...run.matchAll(pattern)].map(([, found]) => found);
  return {
    files: all(/(?:^|[\s"(;&|])((?:scripts|\.ci)\/[\w./-]+)/gm),
    targets: all(/\bmake ([\w-]+)/g),
    rust: all(/rustup (?:toolchain install|default) (\S+)/g),
    environments: all(/wrangler \w+ .*--env (\w+)/g),
  };
}

/** What GitHub's own parser finds wrong, in its words. */
export async function mistakes(of) {
  const { parseWorkflow, convertWorkflowTemplate } = await parser();
  const trace = { error() {}, info() {}, verbose() {} };
  const found = [];
  for (const { file, text: content } of of) {
    const { context, value } = parseWorkflow({ name: file, content }, trace);
    if (value) await convertWorkflowTemplate(context, value);
    found.push(...context.errors.getErrors().map(({ message }) => `${file}: ${message}`));
  }
  return found;
}

/** It is published for bundlers: as it stands, Node does not load it. */
async function parser() {
  const bundle = await build({
    stdin: { contents: "export * from '@actions/workflow-parser'", resolveDir: root },
    bundle: true, format: 'esm', platform: 'browser', write: false, logLevel: 'silent',
  });
  return import(`data:text/javascript;base64,${Buffer.from(bundle.outputFiles[0].contents).toString('base64')}`);
}
