import { closeSync, write } from 'node:fs';
import { promisify } from 'node:util';
import type { LineHead, LogDirectory, LogFile, LogHost } from '../../host/log-host.ts';
import type { Compressor } from './compress.ts';
import { fileHead, type Origin } from './line.ts';
import type { LossLedger } from './loss-ledger.ts';
import {
  currentName,
  expiredFiles,
  isRotationDue,
  type RotatedFile,
  rotatedFiles,
  rotatedName,
  stampAfter,
} from './rotation.ts';
import type { RotationSettings } from './settings.ts';
import type { HandedSink } from './sink.ts';
import { type Sent, TellingSink } from './telling-sink.ts';

const writeFile = promisify(write);

export interface FileSinkOptions {
  readonly host: Pick<LogHost, 'frame'>;
  readonly directory: LogDirectory;
  readonly daemon: string;
  readonly rotation: RotationSettings;
  readonly compressor: Compressor;
  /** Told once when lines begin to be lost, and once when that is over. */
  readonly onProblem: (text: string) => void;
  readonly ledger?: LossLedger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Of the process before this one: then the file is open. */
  readonly handed?: HandedSink;
}

/** Writes a daemon's lines to its file, and rotates it. What the disk refuses is counted, and told in the log itself. */
export class FileSink extends TellingSink {
  readonly #options: FileSinkOptions;
  readonly #now: () => number;
  #fd: number;
  #size: number;
  #modified: number;
  #rotationFailed = false;
  /** A write that broke off in the midst of a line. */
  #torn: boolean;
  #closed = false;

  /** @throws MetactlError where the file can't be opened. */
  constructor(options: FileSinkOptions) {
    const { host, onProblem, directory, daemon, handed, ledger } = options;
    super(host.frame, onProblem, `${directory.path}/${currentName(daemon)}`, handed, ledger);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { fd, size, modified, endsLine } =
      handed?.file === undefined ? directory.open(currentName(daemon)) : { ...handed.file, fd: handed.file.log.fd };
    this.#fd = fd;
    this.#size = size;
    this.#modified = modified;
    this.#torn = !endsLine;
    // The daemon's start does not wait for it.
    setImmediate(() => this.#tidy());
  }

  override handOver(): HandedSink {
    const { directory } = this.#options;
    const file = {
      directory: { fd: directory.fd },
      path: directory.path,
      log: { fd: this.#fd },
      size: this.#size,
      modified: this.#modified,
      endsLine: !this.#torn,
    };
    return { ...super.handOver(), file };
  }

  protected mixes(): boolean {
    return true;
  }

  protected head(origin: Origin): LineHead {
    return fileHead(origin);
  }

  protected async send(lines: Buffer): Promise<Sent> {
    const { rotation } = this.#options;
    const file = { size: this.#size, modified: this.#modified };
    if (isRotationDue(file, lines.length, this.#now(), rotation)) this.#rotate();
    let done = 0;
    try {
      if (this.#torn) {
        await writeFile(this.#fd, '\n');
        this.#torn = false;
        this.#size++;
      }
      while (done < lines.length) {
        const { bytesWritten } = await writeFile(this.#fd, lines, done, lines.length - done, null);
        done += bytesWritten;
        this.#size += bytesWritten;
      }
      this.#modified = this.#now();
      return { done, error: undefined };
    } catch (error) {
      if (done > 0) this.#torn = lines[done - 1] !== 10;
      // The line feed that mends the torn line is all that this one lacks.
      if (this.#torn && lines[done] === 10) done++;
      return { done, error: (error as NodeJS.ErrnoException).code ?? 'EIO' };
    }
  }

  protected override end(): void {
    super.end();
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
    this.#options.directory.close();
  }

  /** A rotation that fails must not stop the log: it goes on in the same file, and that is told once. */
  #rotate(): void {
    const { directory, daemon, onProblem, compressor } = this.#options;
    try {
      const files = rotatedFiles(daemon, directory.list());
      const name = rotatedName(daemon, stampAfter(files, this.#now()));
      directory.rename(currentName(daemon), name);
      let next: LogFile;
      try {
        next = directory.open(currentName(daemon));
      } catch (error) {
        directory.rename(name, currentName(daemon));
        throw error;
      }
      closeSync(this.#fd);
      this.#fd = next.fd;
      this.#size = next.size;
      this.#torn = !next.endsLine;
      this.#rotationFailed = false;
      compressor.add(directory, name);
      this.#removeExpired();
    } catch (error) {
      if (!this.#rotationFailed) onProblem((error as Error).message);
      this.#rotationFailed = true;
    }
  }

  #removeExpired(): void {
    const { directory, daemon, onProblem } = this.#options;
    try {
      this.#removeExpiredOf(rotatedFiles(daemon, directory.list()));
    } catch (error) {
      onProblem((error as Error).message);
    }
  }

  /** @returns those that are left. */
  #removeExpiredOf(files: readonly RotatedFile[]): readonly RotatedFile[] {
    const { directory, rotation } = this.#options;
    const expired = expiredFiles(files, this.#now(), rotation);
    for (const { name } of expired) {
      directory.remove(name);
      // Where it is being compressed, both are there.
      directory.remove(name.replace(/\.gz$/, ''));
    }
    return files.filter((file) => !expired.includes(file));
  }

  /** What a predecessor rotated and had no time to compress. One look: the directory has the logs of all of the app's daemons. */
  #tidy(): void {
    if (this.#closed) return;
    const { directory, daemon, compressor, onProblem } = this.#options;
    try {
      const names = directory.names();
      for (const name of names) {
        if (name.startsWith(`${daemon}.`) && name.endsWith('.gz.new')) directory.remove(name);
      }
      for (const { name, compressed } of this.#removeExpiredOf(rotatedFiles(daemon, names))) {
        if (!compressed) compressor.add(directory, name);
      }
    } catch (error) {
      onProblem((error as Error).message);
    }
  }
}
