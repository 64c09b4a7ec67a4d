import { close, read, write } from 'node:fs';
import { promisify } from 'node:util';
import { createGzip, type Gzip } from 'node:zlib';
import type { LogStore } from '../../host/log-host.ts';
import { inTurn } from './disk-turns.ts';

const [readFile, writeFile, closeFile] = [promisify(read), promisify(write), promisify(close)];

/** A log that is being flooded is not slowed by this; what rotates quickly is deleted before it would be compressed. ms */
const DELAY = 10_000;
const CHUNK = 64 * 1024;
/** Logs shrink to a tenth at any level. */
const LEVEL = 4;

interface Task {
  readonly held: Held;
  readonly name: string;
}

/** A directory of its own: the log may be closed long before, and its descriptor's number be another file's. */
interface Held {
  readonly directory: LogStore;
  /** Tasks that need it. */
  tasks: number;
}

/** Compresses rotated logs in the background, one at a time. What is left when the process ends, the next one does. */
export class Compressor {
  readonly #delay: number;
  readonly #tasks: Task[] = [];
  /** By path. */
  readonly #held = new Map<string, Held>();
  #timer: NodeJS.Timeout | undefined;
  #working = false;
  #stopped = false;

  constructor(delay: number = DELAY) {
    this.#delay = delay;
  }

  /** `directory` may be closed once this resolves. @throws MetactlError where it can't be opened once more. */
  async add(directory: LogStore, name: string): Promise<void> {
    const { path } = directory;
    if (!this.#isNew(path, name)) return;
    if (!this.#held.has(path)) {
      const again = await directory.again();
      // Somebody else may have been faster, or it was stopped.
      if (this.#held.has(path) || !this.#isNew(path, name)) again.close();
      else this.#held.set(path, { directory: again, tasks: 0 });
      if (!this.#isNew(path, name)) return;
    }
    const held = this.#held.get(path)!;
    held.tasks++;
    this.#tasks.push({ held, name });
    this.#arm();
  }

  #isNew(path: string, name: string): boolean {
    return !this.#stopped && !this.#tasks.some((task) => task.held.directory.path === path && task.name === name);
  }

  /** What is at work ends by itself, unfinished. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const { held } of this.#tasks.splice(0)) this.#release(held);
  }

  #release(held: Held): void {
    if (--held.tasks > 0) return;
    this.#held.delete(held.directory.path);
    held.directory.close();
  }

  #arm(): void {
    if (this.#working || this.#stopped || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#work();
    }, this.#delay);
    this.#timer.unref();
  }

  async #work(): Promise<void> {
    const task = this.#tasks.shift();
    if (task === undefined) return;
    this.#working = true;
    try {
      await this.#compress(task);
    } catch {
      // No space, or it was deleted meanwhile: it stays as it is, and readable.
    } finally {
      this.#release(task.held);
      this.#working = false;
      if (this.#tasks.length > 0) this.#arm();
    }
  }

  /** The disk is asked a little at a time: a log that is written does not wait for all of this. */
  async #compress({ held: { directory }, name }: Task): Promise<void> {
    const { path } = directory;
    const from = await inTurn(path, () => directory.read(name));
    if (from === undefined) return;
    const unfinished = `${name}.gz.new`;
    let to: number | undefined;
    try {
      to = await inTurn(path, () => directory.create(unfinished));
      const isWhole = await copyCompressed(from, to, path, () => this.#stopped);
      const full = to;
      to = undefined;
      await inTurn(path, () => closeFile(full));
      await inTurn(path, () => (isWhole ? putInPlace(directory, name, unfinished) : directory.remove(unfinished)));
    } catch (error) {
      await inTurn(path, () => directory.remove(unfinished));
      throw error;
    } finally {
      for (const fd of [from, to]) if (fd !== undefined) await inTurn(path, () => closeFile(fd));
    }
  }
}

async function putInPlace(directory: LogStore, name: string, unfinished: string): Promise<void> {
  // Retention may have deleted it in the meantime.
  const still = await directory.read(name);
  if (still !== undefined) {
    await closeFile(still);
    await directory.rename(unfinished, `${name}.gz`);
    await directory.remove(name);
  } else await directory.remove(unfinished);
}

/** @param disk see inTurn. @returns false where it was stopped before the end. */
async function copyCompressed(from: number, to: number, disk: string, stopped: () => boolean): Promise<boolean> {
  const gzip = createGzip({ level: LEVEL, chunkSize: CHUNK });
  const written = writeOutput(gzip, to, disk);
  // Told by the last line, or by the write that it makes fail.
  written.catch(() => {});
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  try {
    for (;;) {
      const { bytesRead } = await inTurn(disk, () => readFile(from, buffer, 0, CHUNK, null));
      if (stopped()) return false;
      if (bytesRead === 0) break;
      // zlib is done with the buffer when it calls back.
      await new Promise<void>((resolve, reject) => {
        gzip.write(buffer.subarray(0, bytesRead), (error) => (error ? reject(error) : resolve()));
      });
    }
    gzip.end();
    await written;
    return true;
  } finally {
    gzip.destroy();
    await written.catch(() => {});
  }
}

async function writeOutput(gzip: Gzip, to: number, disk: string): Promise<void> {
  for await (const chunk of gzip as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      at += (await inTurn(disk, () => writeFile(to, chunk, at, chunk.length - at, null))).bytesWritten;
    }
  }
}
