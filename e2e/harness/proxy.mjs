// A TCP proxy that does to connections what networks do. Each direction has its own faults; all of
// them can be changed while connections are open.

import { once } from 'node:events';
import net from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { cleanup } from './cleanup.mjs';
import { pause } from './until.mjs';

/** Read ahead of what can be passed on; beyond it the sender's own buffers fill. */
const READ_AHEAD_BYTES = 4_096;
/** What is delayed is held here, up to so much of it. */
const DELAYED_BYTES_MAX = 1 << 20;
/** A limited rate goes out in so many pieces a second. */
const PIECES_PER_SECOND = 20;

/**
 * Starts one in front of `target` (a URL); it closes with the test. The faults of `proxy.down`
 * (target → client) and `proxy.up` (client → target), each given to `set`:
 *
 * - `isBlackhole`: nothing passes, not even an end; sockets stay open; what was sent comes later.
 * - `delayMs`, `jitterMs`: each piece comes so much later, plus a random part; the order stays.
 * - `sliceBytes`: so many at a time.
 * - `bytesPerSecond`.
 * - `corrupt: {everyBytes, mask, only}`: after so many bytes, the next one (or the next that is
 *   `only`) is changed by `mask`.
 */
export async function startProxy(t, target) {
  const proxy = new FaultProxy(target);
  cleanup(t, () => proxy.close());
  await proxy.listen();
  return proxy;
}

class FaultProxy {
  #target;
  #server = net.createServer({ allowHalfOpen: true, highWaterMark: READ_AHEAD_BYTES }, (client) => this.#accept(client));
  #pairs = new Set();
  down = new Direction();
  up = new Direction();
  /** Whether new connections get a RST. */
  isRefusing = false;
  /** Connections taken so far. */
  accepted = 0;
  /** Connections refused so far. */
  refused = 0;

  constructor(target) {
    this.#target = new URL(target.url ?? target);
  }

  get url() {
    return `${this.#target.protocol}//127.0.0.1:${this.port}`;
  }

  get port() {
    return this.#server.address().port;
  }

  /** Connections open now. */
  get open() {
    return this.#pairs.size;
  }

  async listen() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Nothing passes in either direction any more, or it does again. */
  blackhole(isBlackhole = true) {
    this.down.set({ isBlackhole });
    this.up.set({ isBlackhole });
  }

  /** A RST to both ends of every connection. */
  reset() {
    for (const pair of this.#pairs) pair.forEach((socket) => socket.resetAndDestroy());
  }

  /** The target seems to have said its last word; what clients say still arrives. */
  halfClose() {
    for (const [client] of this.#pairs) client.end();
  }

  /** Ends all faults that last. */
  heal() {
    this.isRefusing = false;
    this.down.heal();
    this.up.heal();
  }

  async close() {
    this.heal();
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client) {
    client.on('error', () => {}); // told by 'close'
    if (this.isRefusing) {
      this.refused += 1;
      client.resetAndDestroy();
      return;
    }
    this.accepted += 1;
    const { hostname: host, port } = this.#target;
    const target = net.connect({ host, port: Number(port), allowHalfOpen: true, highWaterMark: READ_AHEAD_BYTES });
    const pair = [client, target];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      // What ends one of them abruptly ends the other so.
      socket.on('error', () => pair.forEach((each) => each.resetAndDestroy()));
      socket.on('close', () => pair.every((each) => each.destroyed) && this.#pairs.delete(pair));
    }
    this.down.carry(target, client);
    this.up.carry(client, target);
  }
}

/** One direction: its faults, the same for all connections. */
class Direction {
  faults = {};
  changed = Promise.withResolvers();

  /** Changes some of what is wrong from now on. */
  set(faults) {
    this.#become({ ...this.faults, ...faults });
  }

  heal() {
    this.#become({});
  }

  /** Carries all of `from` to `to`, its end included. */
  carry(from, to) {
    const line = new Line(this, to, () => from.resume());
    from.on('data', (bytes) => {
      line.push(bytes);
      if (line.isFull) from.pause();
    });
    from.on('end', () => line.push(null));
    line.run();
  }

  #become(faults) {
    this.faults = faults;
    this.changed.resolve();
    this.changed = Promise.withResolvers();
  }
}

/** What is under way in one direction of one connection. */
class Line {
  #direction;
  #to;
  #onRoom;
  #queue = [];
  #queuedBytes = 0;
  #arrived = Promise.withResolvers();
  #sinceCorrupt = 0;

  constructor(direction, to, onRoom) {
    this.#direction = direction;
    this.#to = to;
    this.#onRoom = onRoom;
    to.on('close', () => this.#arrived.resolve());
  }

  get isFull() {
    const { delayMs, jitterMs } = this.#direction.faults;
    return this.#queuedBytes >= (delayMs || jitterMs ? DELAYED_BYTES_MAX : 1);
  }

  /** Takes what arrived now; `null` is the end. */
  push(bytes) {
    const { delayMs = 0, jitterMs = 0 } = this.#direction.faults;
    const due = Date.now() + delayMs + Math.random() * jitterMs;
    this.#queue.push({ bytes, due: Math.max(due, this.#queue.at(-1)?.due ?? 0) });
    this.#queuedBytes += bytes?.length ?? 0;
    this.#arrived.resolve();
  }

  async run() {
    while (!this.#to.destroyed) {
      const next = this.#queue[0];
      if (!next) {
        this.#arrived = Promise.withResolvers();
        await this.#arrived.promise;
        continue;
      }
      await pause(Math.max(0, next.due - Date.now()));
      await this.#passable();
      if (next.bytes === null) return this.#to.end();
      await this.#deliver(next.bytes);
      this.#queue.shift();
      this.#queuedBytes -= next.bytes.length;
      if (!this.isFull) this.#onRoom();
    }
  }

  async #passable() {
    while (this.#direction.faults.isBlackhole && !this.#to.destroyed) await this.#direction.changed.promise;
  }

  async #deliver(bytes) {
    for (let sent = 0; sent < bytes.length && !this.#to.destroyed; ) {
      await this.#passable();
      const { sliceBytes = Infinity, bytesPerSecond = Infinity } = this.#direction.faults;
      const piece = bytes.subarray(sent, sent + Math.min(sliceBytes, Math.ceil(bytesPerSecond / PIECES_PER_SECOND)));
      await new Promise((done) => this.#to.write(this.#corrupted(piece), done));
      sent += piece.length;
      // A packet of its own, not the beginning of the next one's.
      if (sliceBytes < Infinity) await immediate();
      if (bytesPerSecond < Infinity) {
        await Promise.race([pause((piece.length / bytesPerSecond) * 1000), this.#direction.changed.promise]);
      }
    }
  }

  #corrupted(piece) {
    const { corrupt } = this.#direction.faults;
    if (!corrupt) return piece;
    return piece.map((byte) => {
      this.#sinceCorrupt += 1;
      const isHit = this.#sinceCorrupt > corrupt.everyBytes && (corrupt.only ?? byte) === byte;
      if (!isHit) return byte;
      this.#sinceCorrupt = 0;
      return byte ^ corrupt.mask;
    });
  }
}
