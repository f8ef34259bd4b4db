// Ends the children when this process cannot any more (kill -9, out of memory): a shell that
// reads from us the process groups alive, and acts when its input ends.

import { spawn } from 'node:child_process';

const SCRIPT = `
while read -r line; do groups=$line; done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
[ -z "$groups" ] || sleep 3
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

/** Returns `update(pids)`: the groups to end should we disappear. An empty list dismisses them all. */
export function guard() {
  const shell = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  shell.unref();
  shell.stdin.unref?.();
  shell.stdin.on('error', () => {}); // killed by hand: no worse than having none
  return (pids) => shell.stdin.write(`${pids.join(' ')}\n`);
}
