import { closeSync, createReadStream, fstatSync, read, watch as watchPath } from 'node:fs';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import type { LogDirectory } from '../../../host/log-host.ts';
import { parseLine } from '../line.ts';
import { currentName, type RotatedFile, rotatedFiles } from '../rotation.ts';
import type { LogReader, LogRecord } from './reader.ts';

const readFile = promisify(read);

const CHUNK = 64 * 1024;
/** Should the kernel's notice not come (a network file system), new lines are seen this late. ms */
const PATIENCE = 1000;
/** A line that is longer than metactl writes any is not one line; it must not fill the memory. */
const LONGEST = 1 << 20;

export interface FileReaderOptions {
  readonly directory: LogDirectory;
  readonly daemon: string;
  /** Only lines of this time (milliseconds since the epoch) or later. */
  readonly since: number;
  /** Begin where at least so many lines are left; undefined: at the beginning. */
  readonly last: number | undefined;
}

interface Opened {
  /** Undefined for the file that is still written. */
  readonly rotated: RotatedFile | undefined;
  readonly fd: number;
  readonly inode: bigint;
  readonly chunks: AsyncIterator<Buffer> | undefined;
}

/** Reads rotated files, compressed or not, and then the one that is written; goes on with the next where it is rotated. */
export class FileReader implements LogReader {
  readonly #options: FileReaderOptions;
  #file: Opened | undefined;
  /** All rotated files up to this one are read. */
  #doneAt: number | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #lastTime = 0;
  #stopWatching: () => void = () => {};

  constructor(options: FileReaderOptions) {
    this.#options = options;
  }

  async next(): Promise<readonly LogRecord[] | undefined> {
    this.#doneAt ??= await this.#start();
    for (;;) {
      this.#file ??= this.#open();
      if (this.#file === undefined) return undefined;
      // Asked before reading: what was written before the rotation is then seen by this read, or by the next.
      const moved = this.#file.rotated === undefined && this.#isRotated(this.#file);
      const chunk = await readChunk(this.#file);
      if (chunk === undefined) {
        if (this.#file.rotated === undefined && !moved) return undefined;
        const left = this.#records(Buffer.from('\n'));
        this.#closeFile(this.#file);
        if (left.length > 0) return left;
        continue;
      }
      const records = this.#records(chunk);
      if (records.length > 0) return records;
    }
  }

  watch(onMore: () => void): void {
    const timer = setInterval(onMore, PATIENCE);
    let watcher: ReturnType<typeof watchPath> | undefined;
    try {
      watcher = watchPath(this.#options.directory.path, onMore);
      watcher.on('error', () => {});
    } catch {
      // No watches are left: the timer does it.
    }
    this.#stopWatching = () => {
      clearInterval(timer);
      watcher?.close();
    };
  }

  close(): void {
    this.#stopWatching();
    if (this.#file !== undefined) this.#closeFile(this.#file);
  }

  /** @returns the stamp up to which files need not be read. */
  async #start(): Promise<number> {
    const { directory, daemon, since, last } = this.#options;
    const before = since - 1;
    if (last === undefined) return before;
    let left = last;
    const live = directory.read(currentName(daemon));
    if (live !== undefined) left -= await countLines(openedFile(live, undefined));
    for (const file of rotatedFiles(daemon, directory.list()).reverse()) {
      if (left <= 0 || file.at < since) return Math.max(file.at, before);
      const fd = directory.read(file.name);
      if (fd !== undefined) left -= await countLines(openedFile(fd, file));
    }
    return before;
  }

  /** The oldest file that is not read yet; the one that is written comes last. */
  #open(): Opened | undefined {
    const { directory, daemon } = this.#options;
    for (;;) {
      // This one first: were it rotated between the two, it is among the files.
      const live = directory.read(currentName(daemon));
      const file = rotatedFiles(daemon, directory.list()).find(({ at }) => at > this.#doneAt!);
      if (file === undefined) return live === undefined ? undefined : openedFile(live, undefined);
      if (live !== undefined) closeSync(live);
      // Retention or the compressor may have been quicker; the next round finds what is there now.
      const fd = directory.read(file.name);
      if (fd !== undefined) return openedFile(fd, file);
    }
  }

  #isRotated({ inode }: Opened): boolean {
    const { directory, daemon } = this.#options;
    const fd = directory.read(currentName(daemon));
    if (fd === undefined) return true;
    const now = fstatSync(fd, { bigint: true }).ino;
    closeSync(fd);
    return now !== inode;
  }

  #closeFile(file: Opened): void {
    this.#doneAt = file.rotated?.at ?? this.#stampOf(file);
    closeOpened(file);
    this.#file = undefined;
    this.#rest = Buffer.alloc(0);
  }

  /** What the file that was written has become: by its inode; where it is compressed by now, by its last line's time. */
  #stampOf({ inode }: Opened): number {
    const { directory, daemon } = this.#options;
    const files = rotatedFiles(daemon, directory.list()).filter(({ at }) => at > this.#doneAt!);
    const own = files.find(({ name }) => {
      const fd = directory.read(name);
      if (fd === undefined) return false;
      const same = fstatSync(fd, { bigint: true }).ino === inode;
      closeSync(fd);
      return same;
    });
    return (own ?? files.find(({ at, compressed }) => compressed && at >= this.#lastTime))?.at ?? this.#doneAt!;
  }

  #records(chunk: Buffer): LogRecord[] {
    const { daemon, since } = this.#options;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const records: LogRecord[] = [];
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      if (end > start) this.#add(records, bytes.subarray(start, end), daemon, since);
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > LONGEST) {
      this.#add(records, this.#rest, daemon, since);
      this.#rest = Buffer.alloc(0);
    }
    return records;
  }

  /** What metactl did not write, or not to its end, is shown as it is, with the time of the line before. */
  #add(records: LogRecord[], line: Buffer, daemon: string, since: number): void {
    const parsed = parseLine(line) ?? { time: this.#lastTime, pid: 0, stream: 'metactl', mark: '~', text: line };
    this.#lastTime = parsed.time;
    if (parsed.time >= since) records.push({ ...parsed, daemon });
  }
}

function openedFile(fd: number, rotated: RotatedFile | undefined): Opened {
  const inode = fstatSync(fd, { bigint: true }).ino;
  if (rotated?.compressed !== true) return { rotated, fd, inode, chunks: undefined };
  const gunzip = createGunzip();
  const stream = createReadStream('', { fd, autoClose: false });
  stream.on('error', (error) => gunzip.destroy(error)).pipe(gunzip);
  return { rotated, fd, inode, chunks: gunzip[Symbol.asyncIterator]() as AsyncIterator<Buffer> };
}

function closeOpened({ fd, chunks }: Opened): void {
  void chunks?.return?.();
  closeSync(fd);
}

/** @returns undefined at the end; a damaged compressed file ends where it is damaged. */
async function readChunk({ fd, chunks }: Opened): Promise<Buffer | undefined> {
  if (chunks !== undefined) {
    try {
      const { done, value } = await chunks.next();
      return done ? undefined : value;
    } catch {
      return undefined;
    }
  }
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  const { bytesRead } = await readFile(fd, buffer, 0, CHUNK, null);
  return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
}

async function countLines(file: Opened): Promise<number> {
  let count = 0;
  try {
    for (let chunk = await readChunk(file); chunk !== undefined; chunk = await readChunk(file)) {
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) count++;
    }
  } finally {
    closeOpened(file);
  }
  return count;
}
