import { copyFile, fstat, ftruncate, rename, stat, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { inTurn } from '../supervisor/logs/disk-turns.ts';
import { escapeText } from '../util/escape.ts';
import { within } from '../util/within.ts';

const [writeTo, statOf, statAt, move] = [promisify(write), promisify(fstat), promisify(stat), promisify(rename)];
const [copy, truncate] = [promisify(copyFile), promisify(ftruncate)];

/** Bytes at which supervisor.log is rotated, and how many of the old ones are kept: .1 is the youngest. */
const MOST = 5 << 20;
const KEPT = 3;
/** Characters of lines that wait for the disk; what comes then is counted. */
const MOST_WAITING = 1 << 20;
/** A write that takes longer hangs: whoever writes too would hang as well. ms */
const HUNG = 1000;

interface Line {
  readonly text: Buffer;
  /** What is lost with it: itself, or those that it tells of. */
  readonly counts: number;
}

/**
 * Writes lines with their time to a descriptor; what could steer a terminal or begin another line is escaped. Where that is the file at `path`, and it has grown large, its content goes to
 * `path.1`, and it begins anew: the descriptor stays the same, since Node itself writes to it too. It must be open for appending.
 * Nobody waits for the disk: lines are written in order by a thread of Node's pool, and what is too much or refused is counted, and
 * told once that works again.
 */
export class OwnLog {
  readonly #fd: number;
  readonly #path: string;
  readonly #most: number;
  readonly #mostWaiting: number;
  #waiting: Line[] = [];
  #length = 0;
  #lost = 0;
  /** Since when something is written, by a clock that is never set. */
  #since: number | undefined;
  #idle: (() => void)[] = [];

  /** @param most bytes of the file. @param mostWaiting characters. */
  constructor(fd: number, path: string, most: number = MOST, mostWaiting: number = MOST_WAITING) {
    this.#fd = fd;
    this.#path = path;
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  /** One line. */
  readonly line = (text: string): void => {
    const line = lineOf(text, 1);
    if (this.#length + line.text.length > this.#mostWaiting) {
      this.#lost++;
      return;
    }
    this.#tellLost();
    this.#add(line);
    this.#next();
  };

  get isIdle(): boolean {
    return this.#since === undefined;
  }

  /** Resolves when all is written, or lost, with true; with false where it takes longer. Never rejects. */
  async flush(patience: number): Promise<boolean> {
    if (this.isIdle) return true;
    return await within(new Promise<void>((resolve) => this.#idle.push(resolve)), patience);
  }

  /** The process ends in this turn: what waits is written at once, unless the disk hangs. What is under way, Node waits for. */
  end(): void {
    if (this.#since !== undefined && performance.now() - this.#since > HUNG) return;
    try {
      writeSync(this.#fd, Buffer.concat(this.#waiting.splice(0).map(({ text }) => text)));
    } catch {
      // Nobody can be told.
    }
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    this.#add(lineOf(`${this.#lost} lines of this log are lost: its disk did not take them`, this.#lost));
    this.#lost = 0;
  }

  #add(line: Line): void {
    this.#waiting.push(line);
    this.#length += line.text.length;
  }

  #next(): void {
    if (this.#since !== undefined) return;
    if (this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#since = performance.now();
    void inTurn(dirname(this.#path), () => this.#write()).then((works) => {
      this.#since = undefined;
      if (works && this.#waiting.length === 0) this.#tellLost();
      this.#next();
    });
  }

  /** @returns whether the disk took it. */
  async #write(): Promise<boolean> {
    const lines = this.#waiting.splice(0);
    this.#length = 0;
    const bytes = Buffer.concat(lines.map(({ text }) => text));
    let done = 0;
    try {
      while (done < bytes.length)
        done += (await writeTo(this.#fd, bytes, done, bytes.length - done, null)).bytesWritten;
    } catch {
      let end = 0;
      for (const { text, counts } of lines) {
        end += text.length;
        if (end > done) this.#lost += counts;
      }
      return false;
    }
    try {
      if (await this.#isLarge()) await this.#rotate();
    } catch {
      // It goes on growing, which is better than none.
    }
    return true;
  }

  async #isLarge(): Promise<boolean> {
    const own = await statOf(this.#fd);
    if (!own.isFile() || own.size < this.#most) return false;
    const there = await statAt(this.#path);
    return there.dev === own.dev && there.ino === own.ino;
  }

  async #rotate(): Promise<void> {
    for (let number = KEPT - 1; number >= 1; number--) {
      await move(`${this.#path}.${number}`, `${this.#path}.${number + 1}`).catch(() => {});
    }
    await copy(this.#path, `${this.#path}.1`);
    await truncate(this.#fd, 0);
  }
}

function lineOf(text: string, counts: number): Line {
  return { text: Buffer.from(`${new Date().toISOString()} ${escapeText(text)}\n`), counts };
}
