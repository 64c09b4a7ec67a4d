import { close, closeSync, read, write } from 'node:fs';
import { promisify } from 'node:util';
import { createGzip, type Gzip } from 'node:zlib';
import type { LogDirectory } from '../../host/log-host.ts';

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
  readonly directory: LogDirectory;
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

  /** `directory` may be closed after this. @throws MetactlError where it can't be opened once more. */
  add(directory: LogDirectory, name: string): void {
    const { path } = directory;
    if (this.#stopped || this.#tasks.some((task) => task.held.directory.path === path && task.name === name)) return;
    let held = this.#held.get(path);
    if (held === undefined) {
      held = { directory: directory.again(), tasks: 0 };
      this.#held.set(path, held);
    }
    held.tasks++;
    this.#tasks.push({ held, name });
    this.#arm();
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

  async #compress({ held: { directory }, name }: Task): Promise<void> {
    const from = directory.read(name);
    if (from === undefined) return;
    const unfinished = `${name}.gz.new`;
    let to: number | undefined;
    try {
      to = directory.create(unfinished);
      if (!(await copyCompressed(from, to, () => this.#stopped))) {
        directory.remove(unfinished);
        return;
      }
      const full = to;
      to = undefined;
      await closeFile(full);
      // Retention may have deleted it in the meantime.
      const still = directory.read(name);
      if (still !== undefined) {
        closeSync(still);
        directory.rename(unfinished, `${name}.gz`);
        directory.remove(name);
      } else directory.remove(unfinished);
    } catch (error) {
      directory.remove(unfinished);
      throw error;
    } finally {
      closeSync(from);
      if (to !== undefined) closeSync(to);
    }
  }
}

/** @returns false where it was stopped before the end. */
async function copyCompressed(from: number, to: number, stopped: () => boolean): Promise<boolean> {
  const gzip = createGzip({ level: LEVEL, chunkSize: CHUNK });
  const written = writeOutput(gzip, to);
  // Told by the last line, or by the write that it makes fail.
  written.catch(() => {});
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  try {
    for (;;) {
      const { bytesRead } = await readFile(from, buffer, 0, CHUNK, null);
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

async function writeOutput(gzip: Gzip, to: number): Promise<void> {
  for await (const chunk of gzip as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) at += (await writeFile(to, chunk, at, chunk.length - at, null)).bytesWritten;
  }
}
