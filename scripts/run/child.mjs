// A child in a process group of its own, so that what it starts (wrangler starts workerd) ends
// with it. Output goes to a file, and to the screen by whole lines with the child's name.

import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import readline from 'node:readline';

const TAIL_LINES = 15;

/** The environment without what would configure the origin by accident. */
const ordinary = (env) => Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('PRICECAST_')));

export class Child {
  #process;
  #closed = Promise.resolve();

  /** `spec` is one of plan.mjs; `onExit(reason)` is called when the child ends by itself or is killed. */
  constructor(spec, { logFile, root, onExit }) {
    this.name = spec.name;
    this.spec = spec;
    this.logFile = logFile;
    this.root = root;
    this.onExit = onExit;
  }

  get pid() {
    return this.#process?.pid;
  }

  start() {
    const [command, ...args] = this.spec.command;
    const log = createWriteStream(this.logFile, { flags: 'a' });
    const child = spawn(command, args, {
      cwd: this.spec.cwd ?? this.root,
      env: { ...ordinary(process.env), ...this.spec.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      readline.createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        if (this.spec.shown) console.log(`${this.name.padEnd(10)} | ${line}`);
      });
    }
    this.#closed = new Promise((resolve) => child.once('close', resolve)).then(() => log.end());
    // 'exit', not 'close': a grandchild may hold the pipes open for ever.
    child.once('error', (error) => this.onExit(error.message));
    child.once('exit', (code, signal) => {
      this.signal('SIGKILL'); // what it has left behind
      this.onExit(signal ? `killed by ${signal}` : `exit code ${code}`);
    });
  }

  /** Signals the whole group; false when nothing of it is left. */
  signal(name) {
    if (!this.pid) return false;
    try {
      process.kill(-this.pid, name);
      return true;
    } catch {
      return false;
    }
  }

  /** Asks the group to end, and after `patienceMs` makes it. */
  async stop(patienceMs) {
    const running = () => this.pid && this.#process.exitCode === null && this.#process.signalCode === null;
    if (running()) {
      this.signal('SIGTERM');
      const end = Date.now() + patienceMs;
      while (running() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.signal('SIGKILL');
    await Promise.race([this.#closed, new Promise((resolve) => setTimeout(resolve, 500))]);
  }

  /** The end of its log, for a message about why it did not start. */
  tail() {
    if (!existsSync(this.logFile)) return '    (empty)';
    const lines = readFileSync(this.logFile, 'utf8').trimEnd().split('\n');
    return lines.slice(-TAIL_LINES).map((line) => `    ${line}`).join('\n');
  }
}
