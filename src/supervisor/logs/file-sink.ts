import { close, write } from 'node:fs';
import { promisify } from 'node:util';
import type { LineHead, LogFile, LogHost, LogStore } from '../../host/log-host.ts';
import type { Compressor } from './compress.ts';
import { inTurn } from './disk-turns.ts';
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
  WallClock,
} from './rotation.ts';
import type { RotationSettings } from './settings.ts';
import type { HandedSink } from './sink.ts';
import { type Sent, TellingSink } from './telling-sink.ts';

const [writeFile, closeFile] = [promisify(write), promisify(close)];

/** One for all logs of a process: a daemon that is started anew meanwhile must not believe it at once. */
const wallClock = new WallClock();

/** How often it is looked whether the file still is where readers look for it. ms */
const LOOK = 1000;

export interface FileSinkOptions {
  readonly host: Pick<LogHost, 'frame'>;
  readonly directory: LogStore;
  /** Opens or makes the directory that is there now. */
  readonly directoryNow: () => Promise<LogStore>;
  readonly daemon: string;
  readonly rotation: RotationSettings;
  readonly compressor: Compressor;
  /** Told once when lines begin to be lost, and once when that is over. */
  readonly onProblem: (text: string) => void;
  readonly ledger?: LossLedger;
  readonly clock?: WallClock;
  readonly handed?: HandedSink;
  /** Opened in `directory`, or by the process before this one. */
  readonly file: LogFile;
}

/** Writes a daemon's lines to its file, and rotates it. What the disk refuses is counted, and told in the log itself. */
export class FileSink extends TellingSink {
  readonly #options: FileSinkOptions;
  readonly #clock: WallClock;
  #directory: LogStore;
  #lookAt = performance.now() + LOOK;
  #renewalFailed = false;
  #fd: number;
  #size: number;
  #modified: number;
  #rotationFailed = false;
  /** A write that broke off in the midst of a line. */
  #torn: boolean;
  #tidied = false;

  constructor(options: FileSinkOptions) {
    const { host, onProblem, directory, daemon, handed, ledger } = options;
    super(host.frame, onProblem, `${directory.path}/${currentName(daemon)}`, handed, ledger);
    this.#options = options;
    this.#directory = directory;
    this.#clock = options.clock ?? wallClock;
    const { fd, size, modified, endsLine } = options.file;
    this.#fd = fd;
    this.#size = size;
    this.#modified = modified;
    this.#torn = !endsLine;
    // The daemon's start does not wait for it.
    setImmediate(() => this.poke());
  }

  protected override get disk(): string {
    return this.#directory.path;
  }

  override handOver(): HandedSink {
    const directory = this.#directory;
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
    await this.#tidy();
    const isDue = () =>
      isRotationDue({ size: this.#size, modified: this.#modified }, lines.length, this.#clock.now(), rotation);
    await this.#look(isDue());
    if (isDue()) await this.#rotate();
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
      this.#modified = this.#clock.now();
      return { done, error: undefined };
    } catch (error) {
      if (done > 0) this.#torn = lines[done - 1] !== 10;
      // The line feed that mends the torn line is all that this one lacks.
      if (this.#torn && lines[done] === 10) done++;
      return { done, error: (error as NodeJS.ErrnoException).code ?? 'EIO' };
    }
  }

  protected override async retry(): Promise<void> {
    await super.retry();
    await this.#tidy();
  }

  protected override end(): void {
    super.end();
    this.#directory.close();
    // Over a network, that is when it is written.
    void inTurn(this.disk, () => closeFile(this.#fd)).catch(() => {});
  }

  /** A rotation that fails must not stop the log: it goes on in the same file, and that is told once. */
  async #rotate(): Promise<void> {
    const directory = this.#directory;
    const { daemon, onProblem, compressor } = this.#options;
    try {
      const files = rotatedFiles(daemon, await directory.list());
      const name = rotatedName(daemon, stampAfter(files, this.#clock.now()));
      await directory.rename(currentName(daemon), name);
      let next: LogFile;
      try {
        next = await directory.open(currentName(daemon));
      } catch (error) {
        await directory.rename(name, currentName(daemon));
        throw error;
      }
      await this.#goOnIn(next);
      this.#rotationFailed = false;
      await compressor.add(directory, name);
      await this.#removeExpired();
    } catch (error) {
      if (!this.#rotationFailed) onProblem((error as Error).message);
      this.#rotationFailed = true;
    }
  }

  async #goOnIn({ fd, size, endsLine }: LogFile): Promise<void> {
    const before = this.#fd;
    this.#fd = fd;
    this.#size = size;
    this.#torn = !endsLine;
    await closeFile(before).catch(() => {});
  }

  /**
   * Somebody (an administrator, logrotate) may have moved or removed the file, or its directory: nobody would see what goes into it.
   * It goes on in a new one, and the old one stays as it is. @param now also where it was looked a moment ago.
   */
  async #look(now: boolean): Promise<void> {
    const time = performance.now();
    if (!now && time < this.#lookAt) return;
    this.#lookAt = time + LOOK;
    const { daemon, directoryNow, onProblem } = this.#options;
    try {
      if (await this.#directory.holds(currentName(daemon), this.#fd)) return;
      const directory = await directoryNow();
      try {
        await this.#goOnIn(await directory.open(currentName(daemon)));
      } catch (error) {
        directory.close();
        throw error;
      }
      this.#directory.close();
      this.#directory = directory;
      this.#renewalFailed = false;
    } catch (error) {
      if (!this.#renewalFailed) onProblem((error as Error).message);
      this.#renewalFailed = true;
    }
  }

  async #removeExpired(): Promise<void> {
    const directory = this.#directory;
    const { daemon, onProblem } = this.#options;
    try {
      await this.#removeExpiredOf(rotatedFiles(daemon, await directory.list()));
    } catch (error) {
      onProblem((error as Error).message);
    }
  }

  /** @returns those that are left. */
  async #removeExpiredOf(files: readonly RotatedFile[]): Promise<readonly RotatedFile[]> {
    const directory = this.#directory;
    const { rotation } = this.#options;
    // What a clock that was wrong for a moment removes does not come back.
    const kept = this.#clock.isSure ? rotation : { ...rotation, maxAge: Number.POSITIVE_INFINITY };
    const expired = expiredFiles(files, this.#clock.now(), kept);
    for (const { name } of expired) {
      await directory.remove(name);
      // Where it is being compressed, both are there.
      await directory.remove(name.replace(/\.gz$/, ''));
    }
    return files.filter((file) => !expired.includes(file));
  }

  /** What a predecessor rotated and had no time to compress. One look: the directory has the logs of all of the app's daemons. */
  async #tidy(): Promise<void> {
    if (this.#tidied) return;
    this.#tidied = true;
    const directory = this.#directory;
    const { daemon, compressor, onProblem } = this.#options;
    try {
      const names = await directory.names();
      for (const name of names) {
        if (name.startsWith(`${daemon}.`) && name.endsWith('.gz.new')) await directory.remove(name);
      }
      for (const { name, compressed } of await this.#removeExpiredOf(rotatedFiles(daemon, names))) {
        if (!compressed) await compressor.add(directory, name);
      }
    } catch (error) {
      onProblem((error as Error).message);
    }
  }
}
