// HTTP clients: a plain one that changes nothing on the way, and one on a bare socket that can
// vanish as phones do.

import http from 'node:http';
import net from 'node:net';

const LIMIT_MS = 15_000;

/**
 * One request. Nothing is added but `Host` and `Connection`, nothing decoded; times are epoch ms.
 * `agent` keeps connections; without one, each request has its own.
 */
export function request(url, { method = 'GET', headers = {}, agent, body } = {}) {
  return new Promise((resolve, reject) => {
    const sentAt = Date.now();
    const asked = http.request(url, { method, headers, agent: agent ?? false, path: pathOf(url) }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode,
          headers: response.headers,
          rawHeaders: response.rawHeaders,
          body: Buffer.concat(chunks).toString(),
          sentAt,
          receivedAt: Date.now(),
        });
      });
    });
    asked.setTimeout(LIMIT_MS, () => asked.destroy(new Error(`${method} ${url}: no answer within ${LIMIT_MS / 1000} s`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Everything after the host as it was written: the URL class would drop a lone `?`. */
function pathOf(url) {
  return String(url).replace(/^http:\/\/[^/?]+/, '') || '/';
}

/** The body as JSON. */
export const json = (answer) => JSON.parse(answer.body);

/** A client on its own socket. */
export class RawClient {
  /** Sends `GET path` and resolves once the request has left. */
  static send(url, path, headers = {}) {
    const { hostname, port, host } = new URL(url);
    const lines = [`GET ${path} HTTP/1.1`, `host: ${host}`, ...Object.entries(headers).map(([k, v]) => `${k}: ${v}`)];
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(port), hostname);
      const client = new RawClient(socket);
      socket.once('error', reject);
      socket.write(`${lines.join('\r\n')}\r\n\r\n`, () => resolve(client));
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.received = '';
    socket.setEncoding('utf8').on('data', (text) => (this.received += text));
    socket.on('error', () => {});
  }

  /** The status line's number, once there is one. */
  get status() {
    return Number(this.received.match(/^HTTP\/1\.1 (\d{3})/)?.[1]) || undefined;
  }

  /** Cuts the connection by RST: workerd takes no notice of a mere FIN. */
  reset() {
    this.socket.resetAndDestroy();
  }
}
