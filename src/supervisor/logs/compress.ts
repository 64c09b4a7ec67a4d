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
  readonly directory: LogDirectory;
  readonly name: string;
}

/** Compresses rotated logs in the background, one at a time. What is left when the process ends, the next one does. */
export class Compressor {
  readonly #delay: number;
  readonly #tasks: Task[] = [];
  #timer: NodeJS.Timeout | undefined;
  #working = false;
  #stopped = false;

  constructor(delay: number = DELAY) {
    this.#delay = delay;
  }

  add(directory: LogDirectory, name: string): void {
    if (this.#tasks.some((task) => task.directory === directory && task.name === name)) return;
    this.#tasks.push({ directory, name });
    this.#arm();
  }

  /** Its directories may be closed after this. */
  stop(): void {
    this.#stopped = true;
    this.#tasks.length = 0;
    clearTimeout(this.#timer);
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
      this.#working = false;
      if (this.#tasks.length > 0) this.#arm();
    }
  }

  async #compress({ directory, name }: Task): Promise<void> {
    const from = directory.read(name);
    if (from === undefined) return;
    const unfinished = `${name}.gz.new`;
    let to: number | undefined;
    try {
      to = directory.create(unfinished);
      if (!(await copyCompressed(from, to, () => this.#stopped))) return;
      const full = to;
      to = undefined;
      await closeFile(full);
      if (this.#stopped) return;
      // Retention may have deleted it in the meantime.
      const still = directory.read(name);
      if (still !== undefined) {
        closeSync(still);
        directory.rename(unfinished, `${name}.gz`);
        directory.remove(name);
      } else directory.remove(unfinished);
    } catch (error) {
      if (!this.#stopped) directory.remove(unfinished);
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
