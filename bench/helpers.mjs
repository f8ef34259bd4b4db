// Small servers that stand around what is measured; their CPU time is nobody's.

import http from 'node:http';
import { cleanup } from '../e2e/harness/cleanup.mjs';

/** workerd asks a Cache API service by HTTP: GET for match, PUT with a whole response for put. */
export function startCache(t) {
  const kept = new Map();
  return listen(t, (request, response, body) => {
    const key = request.url;
    if (request.method === 'PUT') {
      kept.set(key, parse(body));
      return response.writeHead(204).end();
    }
    const found = kept.get(key);
    if (!found) return response.writeHead(504, { 'cf-cache-status': 'MISS' }).end();
    response.writeHead(found.status, { ...found.headers, 'cf-cache-status': 'HIT' }).end(found.body);
  });
}

/** What the origin says, `delayMs` later: its edge is always revalidating. */
export function startSlow(t, origin, delayMs) {
  return listen(t, (request, response) => {
    http.get(`${origin.url}${request.url}`, (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => setTimeout(() => response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(chunks)), delayMs));
    });
  });
}

function listen(t, answer) {
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => answer(request, response, Buffer.concat(chunks)));
  });
  server.keepAliveTimeout = 60_000;
  cleanup(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ url: `http://127.0.0.1:${server.address().port}` })));
}

function parse(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  const [line, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(lines.map((each) => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]));
  delete headers['transfer-encoding'];
  return { status: Number(line.split(' ')[1]), headers, body: bytes.subarray(end + 4) };
}
