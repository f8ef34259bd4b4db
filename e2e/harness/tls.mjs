// TLS in front of a simulated exchange, with certificates of an authority of our own, made by openssl for each test.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { cleanup } from './cleanup.mjs';
import { freshFolder } from './paths.mjs';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority: `file` is its certificate (PEM), `certificate()` issues what a TLS server needs. */
export function makeAuthority(t) {
  const folder = freshFolder(t, 'ca');
  const at = (name) => path.join(folder, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
  openssl('req', '-x509', ...KEY, '-keyout', at('ca.key'), '-out', at('ca.pem'), '-days', '2', '-subj', '/CN=A test authority');
  let issued = 0;
  return {
    file: at('ca.pem'),
    /** For `host`, valid for `days` from now; -1 is expired. */
    certificate({ host = 'localhost', days = 2 } = {}) {
      issued += 1;
      const [key, request, extensions, cert] = ['key', 'csr', 'ext', 'pem'].map((kind) => at(`${issued}.${kind}`));
      writeFileSync(extensions, `subjectAltName=DNS:${host}`);
      openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', `/CN=${host}`);
      const ca = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
      openssl('x509', '-req', '-in', request, ...ca, '-days', `${days}`, '-extfile', extensions, '-out', cert);
      return { key: readFileSync(key), cert: readFileSync(cert) };
    },
  };
}

/** Ends TLS in front of `target` (a URL) with `certificate`; `present(other)` changes it for new connections. */
export async function startTls(t, target, certificate) {
  const { hostname: host, port } = new URL(target.url ?? target);
  const sockets = new Set();
  const server = tls.createServer(certificate, (client) => {
    const plain = net.connect({ host, port: Number(port) });
    client.pipe(plain).pipe(client);
    sockets.add(plain);
    for (const socket of [client, plain]) {
      socket.on('error', () => {}); // told by 'close'
      socket.on('close', () => [client, plain].forEach((each) => each.destroy()));
    }
  });
  server.on('tlsClientError', () => {}); // the client says what it does not like
  server.on('connection', (raw) => sockets.add(raw)); // also of a handshake that never ends
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(t, () => {
    server.close();
    sockets.forEach((socket) => socket.destroy());
  });
  return {
    url: `https://127.0.0.1:${server.address().port}`,
    present: (other) => server.setSecureContext(other),
  };
}
