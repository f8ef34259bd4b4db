// Waiting for what is outside this process: a port that is free, an address that answers.

import { accessSync, constants } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const POLL_MS = 50;

/** Resolves when `url` answers 2xx; a `tcp:` one, when it accepts a connection. Rejects with its last answer after `limitMs`, or when `signal` aborts. */
export async function answers(url, { limitMs, signal }) {
  const end = Date.now() + limitMs;
  let last = 'no answer';
  while (Date.now() < end) {
    signal?.throwIfAborted();
    try {
      const { ok, told } = await ask(url);
      if (ok) return;
      last = told;
    } catch (error) {
      last = error.cause?.code ?? error.message;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`${url} is not ready after ${limitMs / 1000} s; its last answer: ${last}`);
}

async function ask(url) {
  if (url.startsWith('tcp:')) return { ok: await accepts(new URL(url)), told: 'no connection' };
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  const body = await response.text();
  return { ok: response.ok, told: `${response.status} ${body.slice(0, 500)}` };
}

function accepts({ hostname, port }) {
  return new Promise((resolve) => {
    const socket = net.connect({ host: hostname, port: Number(port) });
    const end = (ok) => {
      socket.destroy();
      resolve(ok);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

/** Whether a program is found in the environment's PATH. */
export function isInstalled(program, env) {
  return (env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether nobody listens on this port of 127.0.0.1. */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
