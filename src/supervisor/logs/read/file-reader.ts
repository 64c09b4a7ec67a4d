import { watch as watchPath } from 'node:fs';
import { parseLine } from '../line.ts';
import { currentName, rotatedFiles } from '../rotation.ts';
import { Lines } from './lines.ts';
import type { LogPlace } from './log-place.ts';
import { OpenedFile } from './opened-file.ts';
import type { LogReader, LogRecord } from './reader.ts';
import { findTail } from './tail.ts';

/** Should the kernel's notice not come (a network file system), new lines are seen this late. ms */
const PATIENCE = 1000;
/** How often the file is looked for anew where it is renamed at this very moment. */
const TRIES = 10;
/** Files that are kept open until their turn comes, however many there are: the oldest are those that retention removes first. */
const HELD = 64;

/** So long the supervisor may write on into a file that somebody has moved: it looks once a second. ms */
const LINGER = 1500;

export interface FileReaderOptions {
  /** It may not be there yet. */
  readonly place: LogPlace;
  readonly daemon: string;
  /** Only lines of this time (milliseconds since the epoch) or later. */
  readonly since: number;
}

/**
 * Reads rotated files, compressed or not, and then the one that is written; goes on with the next where it is rotated. What is
 * removed before its turn comes is told.
 */
export class FileReader implements LogReader {
  readonly #options: FileReaderOptions;
  readonly #lines = new Lines();
  /** All rotated files up to this one (when it was complete) are read. */
  #doneAt: number;
  /** Rotated files that have been seen and not been read, oldest first. */
  #known: number[] = [];
  readonly #held = new Map<number, OpenedFile>();
  #file: OpenedFile | undefined;
  /** The file that was written when reading began, and how long it was. */
  #live: { readonly file: OpenedFile; readonly end: number } | undefined;
  #looked = false;
  #follows = false;
  #lastTime = 0;
  /** When somebody else than the supervisor was found to have moved the file, by a clock that is never set. */
  #movedAt: number | undefined;
  #stopWatching: () => void = () => {};

  constructor(options: FileReaderOptions) {
    this.#options = options;
    this.#doneAt = options.since - 1;
  }

  async begin(last: number): Promise<number> {
    const { since } = this.#options;
    this.#look();
    let count = 0;
    /** Lines that have the time of the last one in the next older file. */
    let lead = 0;
    const take = async (file: OpenedFile, end: number, complete: boolean) => {
      const tail = await findTail(file, { since, wanted: last - count, end, complete });
      file.position = tail.offset;
      count += tail.count;
      if (tail.lastTime !== undefined) {
        if (tail.lastTime >= since) count += lead;
        lead = 0;
      }
      lead += tail.lead;
    };
    if (this.#live !== undefined) await take(this.#live.file, this.#live.end, false);
    for (const at of [...this.#known].reverse()) {
      if (count >= last && lead === 0) {
        this.#forgetUpTo(at);
        break;
      }
      // Kept open: each line that is counted must be there when it is read.
      const file = this.#held.get(at) ?? this.#openRotated(at);
      if (file === undefined) {
        this.#known = this.#known.filter((one) => one !== at);
        continue;
      }
      this.#held.set(at, file);
      await take(file, file.size, true);
    }
    return count + (since <= 0 ? lead : 0);
  }

  async next(): Promise<readonly LogRecord[] | undefined> {
    if (!this.#looked) {
      this.#look();
      this.#hold();
    }
    for (;;) {
      const records = this.#file === undefined ? this.#advance() : await this.#read(this.#file);
      if (records === undefined || records.length > 0) return records;
    }
  }

  watch(onMore: () => void): void {
    const { place, daemon } = this.#options;
    this.#follows = true;
    this.#see();
    let watcher: ReturnType<typeof watchPath> | undefined;
    let watched = place.directory;
    const listen = () => {
      watcher?.close();
      watcher = undefined;
      watched = place.directory;
      if (watched === undefined) return;
      try {
        watcher = watchPath(watched.path, (kind, name) => {
          // What is rotated while nobody reads is to be missed when it is gone.
          if (kind === 'rename' && name !== currentName(daemon)) this.#see();
          onMore();
        });
        watcher.on('error', () => {});
      } catch {
        // No watches are left: the timer does it.
      }
    };
    listen();
    const timer = setInterval(() => {
      try {
        place.look();
      } catch {
        // It is looked for again.
      }
      if (place.directory !== watched) listen();
      onMore();
    }, PATIENCE);
    this.#stopWatching = () => {
      clearInterval(timer);
      watcher?.close();
    };
  }

  close(): void {
    this.#stopWatching();
    this.#file?.close();
    if (this.#file !== this.#live?.file) this.#live?.file.close();
    for (const file of this.#held.values()) file.close();
    this.#held.clear();
    this.#file = undefined;
    this.#live = undefined;
  }

  /** What there is at this moment: later on it is known by this, not by its names. */
  #look(): void {
    this.#looked = true;
    for (let tries = 0; tries < TRIES; tries++) {
      const live = this.#openCurrent();
      this.#known = [];
      this.#see();
      if (live === undefined) return;
      if (!this.#isRotated(live)) {
        this.#live = { file: live, end: live.size };
        return;
      }
      live.close();
    }
  }

  #hold(): void {
    for (const at of this.#known.slice(0, HELD)) {
      try {
        const file = this.#openRotated(at);
        if (file !== undefined) this.#held.set(at, file);
      } catch {
        // No more descriptors: they are opened when their turn comes.
        return;
      }
    }
  }

  /** Looks for rotated files that are not read yet. */
  #see(): void {
    const { place, daemon } = this.#options;
    const found = rotatedFiles(daemon, place.directory?.list() ?? []).map(({ at }) => at);
    const fresh = found.filter((at) => at > this.#doneAt);
    if (fresh.length > 0) this.#known = [...new Set([...this.#known, ...fresh])].sort((a, b) => a - b);
  }

  #forgetUpTo(at: number): void {
    this.#doneAt = Math.max(this.#doneAt, at);
    this.#known = this.#known.filter((one) => one > at);
  }

  #openCurrent(): OpenedFile | undefined {
    const { place, daemon } = this.#options;
    return place.directory === undefined ? undefined : OpenedFile.open(place.directory, currentName(daemon));
  }

  /** By its stamp: it may have been compressed meanwhile. */
  #openRotated(at: number): OpenedFile | undefined {
    const { place, daemon } = this.#options;
    const { directory } = place;
    for (let tries = 0; directory !== undefined && tries < TRIES; tries++) {
      const file = rotatedFiles(daemon, directory.list()).find((one) => one.at === at);
      if (file === undefined) return undefined;
      const opened = OpenedFile.open(directory, file.name, file);
      if (opened !== undefined) return opened;
    }
    return undefined;
  }

  /** Goes on to the next file. @returns what there is to tell of it; undefined where there is none. */
  #advance(): LogRecord[] | undefined {
    if (this.#live === undefined && !this.#follows) return this.#nextRotated();
    if (this.#live !== undefined) {
      const told = this.#nextRotated();
      if (told !== undefined) return told;
      this.#file = this.#live.file;
      return [];
    }
    // This one first: were it rotated between the two, it is among the files.
    const current = this.#openCurrent();
    this.#see();
    const told = this.#nextRotated();
    if (told !== undefined || current === undefined) {
      current?.close();
      return told;
    }
    this.#file = current;
    return [];
  }

  #nextRotated(): LogRecord[] | undefined {
    let missing = 0;
    let missed: number | undefined;
    for (let at = this.#known.shift(); at !== undefined; at = this.#known.shift()) {
      this.#doneAt = at;
      this.#file = this.#held.get(at) ?? this.#openRotated(at);
      this.#held.delete(at);
      if (this.#file !== undefined) break;
      missing++;
      missed = at;
    }
    if (missing === 0) return this.#file === undefined ? undefined : [];
    const many = missing === 1 ? '1 rotated file' : `${missing} rotated files`;
    return [this.#note(`lines are missing: ${many} went before anybody read them`, missed)];
  }

  /** @returns undefined where there is no more for now. */
  async #read(file: OpenedFile): Promise<LogRecord[] | undefined> {
    const isLive = file.at === undefined;
    const end = isLive && !this.#follows ? this.#live?.end : undefined;
    // Asked before reading: what was written before the rotation is then seen by this read, or by the next.
    const moved = isLive && this.#follows && this.#isLeft(file);
    const records: LogRecord[] = [];
    const add = (line: Buffer) => this.#add(records, line);
    const chunk = await file.next(end);
    if (chunk !== undefined) {
      this.#lines.push(chunk, add);
      return records;
    }
    if (isLive && !moved) {
      if (!this.#follows || file.size >= file.position) return undefined;
      file.position = 0;
      return [this.#note('somebody cut the file: what nobody had read of it is missing')];
    }
    // A rotation that failed was taken back.
    if (isLive && !this.#isRotated(file)) return undefined;
    this.#lines.end(add);
    if (isLive) records.push(...this.#leave(file));
    file.close();
    this.#file = undefined;
    this.#movedAt = undefined;
    if (this.#live?.file === file) this.#live = undefined;
    return records;
  }

  /** The file that was written is rotated: which one is it now? The first that came after those that are read. */
  #leave(file: OpenedFile): LogRecord[] {
    this.#see();
    const [at] = this.#known;
    if (at === undefined) return [];
    const first = this.#openRotated(at);
    // One that has been seen, and is gone, was it.
    const isOwn = first === undefined || file.isSame(first);
    first?.close();
    if (isOwn) {
      this.#forgetUpTo(at);
      return [];
    }
    return [this.#note('lines may be missing: rotated files went before anybody saw them')];
  }

  /** Whether nothing more comes into the file. */
  #isLeft(file: OpenedFile): boolean {
    if (!this.#isRotated(file)) {
      this.#movedAt = undefined;
      return false;
    }
    this.#see();
    if (this.#known.length > 0) return true;
    const now = performance.now();
    this.#movedAt ??= now;
    return now - this.#movedAt > LINGER;
  }

  #isRotated({ inode }: OpenedFile): boolean {
    const current = this.#openCurrent();
    current?.close();
    return current?.inode !== inode;
  }

  /** What metactl did not write, or not to its end, is shown as it is, with the time of the line before. */
  #add(records: LogRecord[], line: Buffer): void {
    const { daemon, since } = this.#options;
    const parsed = parseLine(line) ?? { time: this.#lastTime, pid: 0, stream: 'metactl', mark: '~', text: line };
    this.#lastTime = parsed.time;
    if (parsed.time >= since) records.push({ ...parsed, daemon });
  }

  /** Something about the log itself, which is not in it. */
  #note(text: string, time = this.#lastTime): LogRecord {
    const { daemon } = this.#options;
    return { daemon, time, pid: 0, stream: 'metactl', mark: ':', text: Buffer.from(text) };
  }
}
