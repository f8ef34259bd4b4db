// The fault proxy: each fault does to a connection what its name says, and ends when it is over.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import test from 'node:test';
import { cleanup } from './cleanup.mjs';
import { startProxy } from './proxy.mjs';
import { until } from './until.mjs';

/** A server that keeps what it hears, and a client of it through the proxy. */
async function startPair(t) {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup(t, () => server.close());
  const proxy = await startProxy(t, `http://127.0.0.1:${server.address().port}`);
  const connect = async () => {
    const accepted = once(server, 'connection');
    const client = ear(net.connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true }));
    return [client, ear((await accepted)[0])];
  };
  const [client, target] = await connect();
  return { proxy, client, target, connect };
}

/** A socket, with all it hears. */
function ear(socket) {
  socket.pieces = [];
  socket.on('data', (bytes) => socket.pieces.push(bytes));
  socket.on('end', () => (socket.hasHeardEnd = true));
  socket.on('error', (error) => (socket.failure = error.code));
  return socket;
}

const heard = (socket) => Buffer.concat(socket.pieces);
const hears = (socket, bytes) => until(`${bytes} bytes`, 5000, () => socket.bytesRead >= bytes);

test('without faults everything passes both ways, the ends one by one', async (t) => {
  const { client, target, proxy } = await startPair(t);
  const question = Buffer.alloc(300_000, 'question ');
  client.end(question);
  await until('the end of the question', 2000, () => target.hasHeardEnd);
  assert.deepEqual(heard(target), question);
  target.end('answer');
  await until('the end of the answer', 2000, () => client.hasHeardEnd);
  assert.equal(heard(client).toString(), 'answer');
  await until('the connection is gone', 2000, () => proxy.open === 0);
});

test('a reset is a RST at both ends, and new connections pass', async (t) => {
  const { proxy, client, target, connect } = await startPair(t);
  proxy.reset();
  await until('both ends are reset', 2000, () => client.failure && target.failure);
  assert.deepEqual([client.failure, target.failure], ['ECONNRESET', 'ECONNRESET']);
  const [again] = await connect();
  assert.equal(again.failure, undefined);
});

test('a refusal is a RST for new connections only', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.isRefusing = true;
  const refused = ear(net.connect(proxy.port, '127.0.0.1'));
  await until('refused', 2000, () => refused.failure === 'ECONNRESET');
  target.write('on');
  await hears(client, 2);
  assert.deepEqual([proxy.accepted, proxy.refused], [1, 1]);
});

test('a blackhole keeps sockets open, passes nothing and no end, and all of it once it is over', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.down.set({ isBlackhole: true });
  target.end('news');
  client.write('still there?');
  await hears(target, 12);
  assert.equal(client.bytesRead, 0);
  assert.ok(!client.hasHeardEnd && !client.destroyed);
  proxy.heal();
  await until('the end', 2000, () => client.hasHeardEnd);
  assert.equal(heard(client).toString(), 'news');
});

test('a delay comes to each piece by itself, and keeps the order', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.down.set({ delayMs: 100, jitterMs: 100 });
  const sentAt = Date.now();
  for (let i = 0; i < 20; i++) {
    target.write(String.fromCharCode(97 + i));
    await until('the piece has left', 1000, () => target.bytesWritten > i && target.writableLength === 0);
  }
  await hears(client, 1);
  assert.ok(Date.now() - sentAt >= 100);
  await hears(client, 20);
  assert.ok(Date.now() - sentAt < 1500, 'not one after the other');
  assert.equal(heard(client).toString(), 'abcdefghijklmnopqrst');
});

test('slices are of that size, and the bytes the same', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.up.set({ sliceBytes: 1 });
  client.write('x'.repeat(200));
  await hears(target, 200);
  assert.ok(target.pieces.length > 100, `${target.pieces.length} pieces`);
  target.write('y'.repeat(200));
  await hears(client, 200);
  assert.equal(client.pieces.length, 1, 'the other direction is whole');
});

test('a limited rate lets the backlog grow at its sender, and is over at once', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.down.set({ bytesPerSecond: 10_000 });
  const sentAt = Date.now();
  const whole = 16 << 20;
  target.write(Buffer.alloc(whole));
  await hears(client, 4_000);
  assert.ok(Date.now() - sentAt >= 300, `${Date.now() - sentAt} ms`);
  assert.ok(client.bytesRead < 8_000);
  assert.ok(target.writableLength > 0, 'not everything has left');
  proxy.heal();
  await hears(client, whole);
});

test('corruption changes the byte it is told to, as often as told', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.down.set({ corrupt: { everyBytes: 9, mask: 0x80 } });
  target.write(Buffer.alloc(30, 'a'));
  await hears(client, 30);
  const changed = [...heard(client)].flatMap((byte, i) => (byte === 0xe1 ? [i] : []));
  assert.deepEqual(changed, [9, 19, 29]);
  proxy.down.set({ corrupt: { everyBytes: 2, mask: 0x02, only: '"'.charCodeAt(0) } });
  target.write('{"last":1}');
  await hears(client, 40);
  assert.equal(heard(client).subarray(30).toString(), '{"last :1}');
});

test('a half-close ends one direction and leaves the other', async (t) => {
  const { proxy, client, target } = await startPair(t);
  proxy.halfClose();
  await until('the end', 2000, () => client.hasHeardEnd);
  client.write('still there?');
  await hears(target, 12);
});
