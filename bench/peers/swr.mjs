// Stale-while-revalidate with the Cache API, as it is written by hand today: look the request up,
// answer with the copy, and fetch a new one behind it when the copy has had its time.

const FRESH_FOR_MS = 1000;

export default {
  async fetch(request, env, ctx) {
    const cache = caches.default;
    const key = new Request(request.url);
    const cached = await cache.match(key);
    if (!cached) return refresh(cache, key, env, ctx);
    if (Date.now() - Number(cached.headers.get('x-fetched-at')) > FRESH_FOR_MS) {
      ctx.waitUntil(refresh(cache, key, env, ctx));
    }
    return new Response(cached.body, cached);
  },
};

async function refresh(cache, key, env, ctx) {
  const response = await fetch(env.ORIGIN + new URL(key.url).pathname);
  const kept = new Response(response.body, response);
  kept.headers.set('cache-control', 'public, max-age=10');
  kept.headers.set('x-fetched-at', String(Date.now()));
  ctx.waitUntil(cache.put(key, kept.clone()));
  return kept;
}
