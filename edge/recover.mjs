// The outer shell of the Worker, in JavaScript because it must outlive the WebAssembly instance.
// No policy here: first the synchronous hot path, else the crate's own handler, and once more for
// whoever was in flight when another request's panic had the instance replaced.
//
// Leans on two things worker-build does not promise, both asserted by e2e: every extra wasm
// export is a method of the class it exports, and `globalThis.__worker_init_state` tells of panics.

const LOOK_MS = 50;
const FAILED = '{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal","detail":"The service failed to answer."}';

/** @param App the class that worker-build exports */
export function worker(App) {
  const state = globalThis.__worker_init_state;
  const { hot } = App.prototype;

  // Run to completion even when the client is gone: a dropped future would leak its memory.
  const run = (request, env, ctx) => {
    const response = new App(ctx, env).fetch(request);
    ctx.waitUntil(response.catch(() => {}));
    return response;
  };

  // undefined: the instance this request ran on has panicked and never will answer.
  const runUntilLost = async (request, env, ctx) => {
    // Begun first: where the last panic is not cleared away yet, this replaces the instance.
    const response = run(request, env, ctx);
    const instanceId = state?.instanceId;
    // Without that state nothing can be seen of a panic; everything else still works.
    const isLost = () => state?.criticalError || state?.instanceId !== instanceId;
    let timer;
    const lost = new Promise((resolve) => {
      timer = setInterval(() => isLost() && resolve(), LOOK_MS);
    });
    try {
      return await Promise.race([response, lost]);
    } catch (error) {
      if (!isLost()) throw error;
    } finally {
      clearInterval(timer);
    }
  };

  const handle = async (request, env, ctx) => {
    try {
      const once = await runUntilLost(request, env, ctx);
      const response = once ?? (await runUntilLost(request, env, ctx));
      // A response of the type error is one that could not be made.
      if (response !== undefined && response.type !== 'error') return response;
    } catch (error) {
      console.error('no answer', error);
    }
    return new Response(FAILED, {
      status: 500,
      headers: {
          'content-type': 'application/problem+json; charset=utf-8',
          'cache-control': 'no-store',
          'access-control-allow-origin': '*',
          'x-content-type-options': 'nosniff',
        },
    });
  };

  return {
    fetch(request, env, ctx) {
      try {
        const response = hot(request);
        if (response !== undefined) return response;
      } catch {
        // A panic, or an upgrade that moved the export: slower, and right.
      }
      return handle(request, env, ctx);
    },
  };
}
