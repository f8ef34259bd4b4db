// The programs under test as real processes. None outlives its test, nor this process, however
// either ends.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/places.mjs';
import { Child } from '../../scripts/run/child.mjs';
import { guard } from '../../scripts/run/guard.mjs';
import { cleanup } from './cleanup.mjs';
import { freshFolder } from './paths.mjs';
import { until } from './until.mjs';

const START_LIMIT_MS = 20_000;
/** The origin drains, and wrangler tells workerd. */
const STOP_PATIENCE_MS = 10_000;

const running = new Set();
let tellGuard;

function changed() {
  tellGuard ??= guard();
  tellGuard([...running].map((child) => child.pid).filter(Boolean));
}

/** One program that may be started, stopped and killed several times in a test. */
export class Program {
  #child;

  constructor(t, { name, command, cwd, env = {}, startLimitMs = START_LIMIT_MS }) {
    this.name = name;
    this.startLimitMs = startLimitMs;
    this.logFile = path.join(freshFolder(t, name), `${name}.log`);
    this.#child = new Child({ name, command, cwd, env }, { logFile: this.logFile, root, onExit: (reason) => this.#ended(reason) });
    cleanup(t, () => this.stop());
  }

  /** Starts it and waits for a line of its log to match; returns the match. */
  async start(ready, env) {
    this.exit = undefined;
    const seen = this.log().length;
    Object.assign(this.#child.spec.env, env);
    this.#child.start();
    running.add(this.#child);
    changed();
    const isUp = () => this.log().slice(seen).match(ready) ?? this.exit;
    const match = await until(`${this.name} is up`, this.startLimitMs, isUp).catch((error) => error.message);
    if (typeof match === 'string') throw new Error(`${this.name} did not start: ${match}; the end of its log:\n${this.#child.tail()}`);
    return match;
  }

  /** Asks it to end, and waits for that. */
  async stop() {
    await this.#child.stop(STOP_PATIENCE_MS);
  }

  /** As a power cut does. */
  async kill() {
    this.#child.signal('SIGKILL');
    await until(`${this.name} is gone`, START_LIMIT_MS, () => this.exit);
  }

  /** Of the program itself, where its command ends in `exec`. */
  get pid() {
    return this.#child.pid;
  }

  /** Signals it; `SIGSTOP` holds it, `SIGCONT` lets it go on. */
  signal(name) {
    this.#child.signal(name);
  }

  log() {
    try {
      // Colours would split what tests look for.
      return readFileSync(this.logFile, 'utf8').replace(/\x1b\[[0-9;]*m/g, '');
    } catch {
      return '';
    }
  }

  #ended(reason) {
    this.exit = reason;
    running.delete(this.#child);
    changed();
  }
}
