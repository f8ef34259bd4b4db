// What is built for the tests that are asked for: all of it takes minutes.

import path from 'node:path';

/** What it is, who builds it, and which tests need it: `node` are the sources of their files. */
const STEPS = [
  {
    what: 'the origin and the market',
    command: 'cargo',
    args: ['build', '--release', '-p', 'pricecast-origin', '-p', 'market-sim', '--bins', '--examples'],
    // The slow Rust tests start the optimised origin where there is one, so let it be this one.
    isFor: ({ rust, node }) => node.length > 0 || rust.some((binary) => binary.includes('::faults_')),
  },
  { what: 'the Worker', command: 'scripts/build-edge', args: [], isFor: ({ node }) => node.length > 0 },
  {
    what: 'the Worker that panics on demand',
    command: 'scripts/build-edge',
    args: ['drill'],
    isFor: ({ node }) => node.some((source) => source.includes('build/drill')),
  },
  {
    what: 'the version before this one (minutes the first time)',
    command: 'scripts/build-previous',
    args: [],
    isFor: ({ node }) => node.some((source) => source.includes('previousVersion(')),
  },
  { what: 'the tests', command: 'cargo', args: ['nextest', 'run', '--workspace', '--no-run'], isFor: ({ rust }) => rust.length > 0 },
];

/** The steps that `tests` need, as `parseName` gives them; `read` gives the source of a file. */
export function stepsFor(tests, { root, read }) {
  const of = (wanted) => tests.filter(({ runner }) => runner === wanted);
  const files = [...new Set(of('node').map(({ file }) => file))];
  const needs = { rust: of('rust').map(({ binary }) => binary), node: files.map(read) };
  return STEPS.filter(({ isFor }) => isFor(needs)).map(({ what, command, args }) => ({
    what,
    command: command.startsWith('scripts/') ? path.join(root, command) : command,
    args,
  }));
}
