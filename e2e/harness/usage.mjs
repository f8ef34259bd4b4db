// What a process holds of the machine, by the kernel's own record: nothing may grow without bound.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { pause } from './until.mjs';

const PATIENCE_MS = 10_000;
/**
 * V8 takes some 400 MB in the first 40,000 requests, 30 in the next 40,000, and 10 in 80,000 after that
 * (seen over 240,000): a long flood is watched from `WARM_AFTER` on.
 */
export const WARM_AFTER = 40_000;
const RSS_GAINED_MB = 400;

/** Memory a process holds, and files and sockets it has open; undefined where none runs, or where nobody tells. */
export function usageOf({ pid }) {
  try {
    const [, residentKb] = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m);
    return { residentKb: Number(residentKb), files: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

/** Resident memory and open files of the workerd processes that this process has started. Linux only. */
function usage() {
  let [rssMb, files] = [0, 0];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').match(/^\d+ \((.*)\) \S (\d+)/s);
      if (name !== 'workerd' || Number(parent) !== process.pid) continue;
      rssMb += Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB/m)[1]) / 1024;
      files += readdirSync(`/proc/${pid}/fd`).length;
    } catch {
      // Gone meanwhile.
    }
  }
  return { rssMb, files };
}

/**
 * Begins to watch; the function returned says what was gained until then, once open files are
 * back to what they were, or have had ten seconds to be. For tests that run one at a time.
 */
export function watchWorkerd() {
  const before = usage();
  return async () => {
    for (const end = Date.now() + PATIENCE_MS; usage().files > before.files && Date.now() < end; ) await pause(100);
    const after = usage();
    return { rss_gained_mb: Math.round(after.rssMb - before.rssMb), files_gained: after.files - before.files };
  };
}

/** It was little, and all files were closed again. */
export function assertLittle({ rss_gained_mb: rssMb, files_gained: files }, rssGainedMb = RSS_GAINED_MB) {
  assert.ok(rssMb <= rssGainedMb, `workerd has ${rssMb} MB more than before`);
  assert.ok(files <= 0, `workerd has ${files} open files more than before`);
}
