// redis-server as a process, and what is asked of it.

import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { isInstalled } from '../../scripts/run/wait.mjs';
import { cleanup } from './cleanup.mjs';
import { freshFolder } from './paths.mjs';
import { Program } from './process.mjs';
import { until } from './until.mjs';

/** For `test(name, {skip})`: why tests with a redis-server cannot run here, or false. */
export const skip = isInstalled('redis-server', process.env) ? false : 'redis-server is not installed';

const START_LIMIT_MS = 20_000;
const ANSWER_LIMIT_MS = 15_000;

/** Starts one that keeps nothing on disk; with `isDown` it is not started yet, but has its address. */
export async function startRedis(t, { isDown = false } = {}) {
  const redis = new Redis(t, await freePort());
  if (!isDown) await redis.start();
  return redis;
}

/** Nobody listens there yet, and for the moment nobody else is given it. */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

class Redis {
  #program;
  #dataFolder;
  /** Of `run`, once the server wants one. */
  password;

  constructor(t, port) {
    this.port = port;
    this.#dataFolder = path.join(freshFolder(t, 'redis'), 'data');
    const command = ['redis-server', '--bind', '127.0.0.1', '--port', String(port), '--dir', this.#dataFolder];
    const rules = ['--save', '', '--appendonly', 'no', '--enable-debug-command', 'yes', '--enable-protected-configs', 'yes'];
    // A replica shall be promoted by hand only, and catch up at once.
    const replicas = ['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0'];
    this.#program = new Program(t, { name: 'redis', command: [...command, ...rules, ...replicas] });
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, empty. */
  async start() {
    mkdirSync(this.#dataFolder, { recursive: true });
    await this.#program.start(/Ready to accept connections/);
  }

  /** As a power cut does. */
  kill() {
    return this.#program.kill();
  }

  stop() {
    return this.#program.stop();
  }

  /** Takes away the folder it saves to. */
  loseDisk() {
    rmSync(this.#dataFolder, { recursive: true });
  }

  /** One command, on a connection of its own (with `password`, if there is one); an error of the server is thrown. */
  async run(...words) {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.on('error', () => {}); // told by the reader
    socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error(`${words.join(' ')}: no answer`)));
    const commands = [...(this.password ? [['AUTH', this.password]] : []), words];
    socket.write(commands.map(encoded).join(''));
    const reader = new Reader(socket);
    try {
      for (let i = 1; i < commands.length; i++) await reader.reply();
      return await reader.reply();
    } finally {
      socket.destroy();
    }
  }

  /** Waits until this replica has all of its primary. */
  async untilSynced() {
    await until('the replica is in step', START_LIMIT_MS, async () => (await this.run('INFO', 'replication')).includes('master_link_status:up'));
  }
}

const encoded = (words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('')}`;

/** Reads one reply of the protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/ */
class Reader {
  #chunks;
  #seen = Buffer.alloc(0);

  constructor(socket) {
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  async reply() {
    const line = await this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return rest;
      case '-':
        throw new Error(rest);
      case ':':
        return Number(rest);
      case '$':
        return rest === '-1' ? null : this.#text(Number(rest));
      case '*': {
        const items = [];
        for (let i = 0; i < Number(rest); i++) items.push(await this.reply());
        return items;
      }
      default:
        throw new Error(`no reply of Redis: ${line}`);
    }
  }

  async #line() {
    let end;
    while ((end = this.#seen.indexOf('\r\n')) < 0) await this.#more();
    return this.#take(end).toString();
  }

  async #text(length) {
    while (this.#seen.length < length + 2) await this.#more();
    return this.#take(length).toString();
  }

  #take(length) {
    const taken = this.#seen.subarray(0, length);
    this.#seen = this.#seen.subarray(length + 2);
    return taken;
  }

  async #more() {
    const { value, done } = await this.#chunks.next();
    if (done) throw new Error('Redis hung up');
    this.#seen = Buffer.concat([this.#seen, value]);
  }
}

/** An address that stays while the server behind it changes, as a failover's does. */
export async function startDoor(t, redis) {
  const door = new Door(redis.port);
  cleanup(t, () => door.close());
  await door.open();
  return door;
}

class Door {
  #target;
  #sockets = new Set();
  #server = net.createServer((client) => this.#accept(client));

  constructor(port) {
    this.#target = port;
  }

  get port() {
    return this.#server.address().port;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async open() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** From now on it leads to that one; connections to the other end. */
  leadTo(redis) {
    this.#target = redis.port;
    for (const socket of this.#sockets) socket.destroy();
  }

  close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #accept(client) {
    const server = net.connect(this.#target, '127.0.0.1');
    for (const [socket, other] of [[client, server], [server, client]]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {}); // its end is told by 'close'
      socket.on('close', () => this.#sockets.delete(socket) && other.destroy());
      socket.pipe(other);
    }
  }
}
