// Waiting for conditions. Nothing in these tests sleeps for a time and hopes.

import { AssertionError } from 'node:assert/strict';

const LOOK_AGAIN_MS = 20;

/** For loops that look again; never to give something time to happen. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets time pass on purpose: until `ms` are over since then, for what must last so long. */
export const lasts = (ms, since = Date.now()) => until(`${ms} ms are over`, ms + 5000, () => Date.now() >= since + ms);

/**
 * The first truthy value of `condition()`. A condition that throws is not true yet, but what it
 * asserts must hold each time. After `limitMs` it fails and says what was awaited, and what was
 * last seen.
 */
export async function until(what, limitMs, condition) {
  const end = Date.now() + limitMs;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      last = error.message;
    }
    if (Date.now() >= end) {
      throw new Error(`not within ${limitMs / 1000} s: ${what}; last seen: ${shown(last)}`);
    }
    await pause(LOOK_AGAIN_MS);
  }
}

function shown(value) {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}
