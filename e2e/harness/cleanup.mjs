// What a test has opened is closed after it, in reverse order, all of it even when one part fails.
// (The runner's own `after` goes forwards and stops at the first that throws.)

const pending = new WeakMap();

/** Calls `close` after the test `t`. */
export function cleanup(t, close) {
  if (!pending.has(t)) {
    pending.set(t, []);
    t.after(() => closeAll(pending.get(t)));
  }
  pending.get(t).push(close);
}

async function closeAll(closes) {
  const errors = [];
  while (closes.length > 0) {
    try {
      await closes.pop()();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'cleaning up');
}
