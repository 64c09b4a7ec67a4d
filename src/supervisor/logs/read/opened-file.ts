import { closeSync, fstatSync, read, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, gunzipSync, constants as zlib } from 'node:zlib';
import type { LogDirectory } from '../../../host/log-host.ts';
import type { RotatedFile } from '../rotation.ts';

const readFile = promisify(read);

const CHUNK = 64 * 1024;
/** Bytes at the beginning of two files that tell them apart: some lines, with their times. */
const BEGINNING = 4096;

/** A log file that is being read. It stays what it is when it is renamed, or removed. */
export class OpenedFile {
  /** When it was complete; undefined for the file that was still written. */
  readonly at: number | undefined;
  readonly compressed: boolean;
  readonly inode: bigint;
  /** Bytes that have been read; of a compressed file nothing. */
  position = 0;
  readonly #fd: number;
  #chunks: AsyncIterator<Buffer> | undefined;

  /** @param fd is its own from here on. */
  constructor(fd: number, rotated?: RotatedFile) {
    this.#fd = fd;
    this.at = rotated?.at;
    this.compressed = rotated?.compressed === true;
    this.inode = fstatSync(fd, { bigint: true }).ino;
  }

  static open(directory: LogDirectory, name: string, rotated?: RotatedFile): OpenedFile | undefined {
    const fd = directory.read(name);
    return fd === undefined ? undefined : new OpenedFile(fd, rotated);
  }

  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** @param end no byte from there on. @returns undefined at the end; a damaged compressed file ends where it is damaged. */
  async next(end = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    if (this.compressed) return await this.#unpacked();
    const chunk = await this.bytes(this.position, Math.min(this.position + CHUNK, end));
    this.position += chunk.length;
    return chunk.length === 0 ? undefined : chunk;
  }

  /** Bytes as they are in the file, as many as there are. */
  async bytes(from: number, to: number): Promise<Buffer> {
    if (to <= from) return Buffer.alloc(0);
    const buffer = Buffer.allocUnsafeSlow(to - from);
    const { bytesRead } = await readFile(this.#fd, buffer, 0, buffer.length, from);
    return buffer.subarray(0, bytesRead);
  }

  /** From the beginning once more. */
  rewind(): void {
    this.#stop();
    this.position = 0;
  }

  /** Whether it is another's contents, perhaps compressed since. */
  isSame(other: OpenedFile): boolean {
    if (!other.compressed) return this.inode === other.inode;
    const [own, its] = [this.#beginning(), other.#beginning()];
    const length = Math.min(own.length, its.length);
    return length > 0 && own.subarray(0, length).equals(its.subarray(0, length));
  }

  close(): void {
    this.#stop();
    closeSync(this.#fd);
  }

  #beginning(): Buffer {
    const buffer = Buffer.alloc(BEGINNING);
    const bytes = buffer.subarray(0, readSync(this.#fd, buffer, 0, BEGINNING, 0));
    if (!this.compressed) return bytes;
    try {
      // What there is of it: the rest of the file is not there.
      return gunzipSync(bytes, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, BEGINNING);
    } catch {
      return buffer.subarray(0, 0);
    }
  }

  async #unpacked(): Promise<Buffer | undefined> {
    if (this.#chunks === undefined) {
      const gunzip = createGunzip();
      Readable.from(this.#packed())
        .on('error', (error) => gunzip.destroy(error))
        .pipe(gunzip);
      this.#chunks = gunzip[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    }
    try {
      const { done, value } = await this.#chunks.next();
      return done ? undefined : value;
    } catch {
      return undefined;
    }
  }

  async *#packed(): AsyncGenerator<Buffer> {
    for (let at = 0; ; ) {
      const chunk = await this.bytes(at, at + CHUNK);
      if (chunk.length === 0) return;
      at += chunk.length;
      yield chunk;
    }
  }

  #stop(): void {
    void this.#chunks?.return?.();
    this.#chunks = undefined;
  }
}
