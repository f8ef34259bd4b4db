// Waiting for what is outside this process: a port that is free, an address that answers.

import net from 'node:net';

const POLL_MS = 50;

/** Resolves when `url` answers 2xx. Rejects with its last answer after `limitMs`, or when `signal` aborts. */
export async function answers(url, { limitMs, signal }) {
  const end = Date.now() + limitMs;
  let last = 'no answer';
  while (Date.now() < end) {
    signal?.throwIfAborted();
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
      const body = await response.text();
      if (response.ok) return;
      last = `${response.status} ${body.slice(0, 500)}`;
    } catch (error) {
      last = error.cause?.code ?? error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${url} is not ready after ${limitMs / 1000} s; its last answer: ${last}`);
}

/** Whether nobody listens on this port of 127.0.0.1. */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
