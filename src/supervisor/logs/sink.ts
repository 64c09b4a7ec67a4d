import type { Descriptor } from '../../host/handover.ts';
import type { LineHead, LogHost } from '../../host/log-host.ts';
import { within } from '../../util/within.ts';
import { inTurn } from './disk-turns.ts';
import { LONGEST_LINE, MARK, type Origin } from './line.ts';
import type { HandedLosses } from './losses.ts';

/** What a sink hands over to the process that takes this one's place, once it is idle. */
export interface HandedSink {
  readonly losses: HandedLosses;
  readonly file?: {
    readonly directory: Descriptor;
    readonly path: string;
    readonly log: Descriptor;
    readonly size: number;
    readonly modified: number;
    readonly endsLine: boolean;
  };
}

/** Where a daemon's lines go. */
export interface Sink {
  /**
   * Takes lines; the bytes are free again when it returns. `last` marks what comes after the last line feed.
   * @returns undefined, or a promise to wait for before it is given more: whoever reads a pipe stops reading until then.
   */
  push(input: Uint8Array, origin: Origin, last?: number): Promise<void> | undefined;
  /** Resolves when all of it is where it goes, or lost, with true; with false where it takes longer. Never rejects. */
  flush(patience: number): Promise<boolean>;
  /** Only when nothing was pushed since `flush`. */
  handOver(): HandedSink;
  /** Resolves when all of it is where it goes, or lost; waits at most so many milliseconds. Never rejects. */
  close(patience: number): Promise<void>;
}

/** Lines are collected while earlier ones are being written, up to so many bytes. */
const BATCH = 256 * 1024;
/** A busy supervisor keeps a few buffers, an idle one has none in use. */
const SPARE_BUFFERS = 4;
const spare: Buffer[] = [];

interface Held {
  input: Uint8Array;
  readonly origin: Origin;
  readonly last: number;
}

/** Frames lines into a buffer and hands full ones on: at most one is under way while the next is filled. */
export abstract class BufferedSink implements Sink {
  readonly #frame: LogHost['frame'];
  #filling: Buffer | undefined;
  #length = 0;
  /** Of the lines in `#filling`, where all must have one. */
  #origin: Origin | undefined;
  #busy = false;
  /** What had no room, in order. */
  readonly #held: Held[] = [];
  #room: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #idle: (() => void)[] = [];
  #endsLater = false;
  #ended = false;

  constructor(frame: LogHost['frame']) {
    this.#frame = frame;
  }

  /** Whose turn a write needs, see inTurn; undefined: none, or it takes its turns itself. */
  protected get disk(): string | undefined {
    return undefined;
  }

  protected abstract head(origin: Origin): LineHead;
  /** Whether lines of these two may be in one buffer. */
  protected abstract mixes(a: Origin, b: Origin): boolean;
  /** Writes whole lines; never rejects. The buffer is its own until then. */
  protected abstract write(lines: Buffer, origin: Origin): Promise<void>;
  /** Does what is due though no line has come; never rejects. */
  protected abstract retry(): Promise<void>;
  /** Nobody waits for the write under way any more: it should end, if it can. */
  protected giveUp(): void {}
  /** After the last write. */
  protected abstract end(): void;

  push(input: Uint8Array, origin: Origin, last: number = MARK.ended): Promise<void> | undefined {
    const rest = this.#held.length > 0 ? input : this.#take(input, origin, last);
    if (rest.length > 0) this.#held.push({ input: Buffer.from(rest), origin, last });
    this.#next();
    if (this.#held.length === 0) return undefined;
    this.#room ??= signal();
    return this.#room.promise;
  }

  /** Calls `retry` in its turn; not while lines are written, since that does the same. */
  protected poke(): void {
    if (this.#busy || this.#ended) return;
    this.#busy = true;
    void this.#inTurn(() => this.retry()).then(() => this.#done());
  }

  abstract handOver(): HandedSink;

  async flush(patience: number): Promise<boolean> {
    if (!this.#busy) return true;
    return await within(new Promise<void>((resolve) => this.#idle.push(resolve)), patience);
  }

  async close(patience: number): Promise<void> {
    await this.flush(patience);
    // A thread that still writes does so by a number, which must not become another file's.
    if (this.#busy) {
      this.#endsLater = true;
      this.giveUp();
    } else this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.end();
  }

  /** @returns what had no room. */
  #take(input: Uint8Array, origin: Origin, last: number): Uint8Array {
    const other = this.#length > 0 && !this.mixes(this.#origin!, origin);
    if (input.length === 0 || other) return input;
    this.#filling ??= spare.pop() ?? Buffer.allocUnsafeSlow(BATCH);
    this.#origin = origin;
    const { consumed, written } = this.#frame(
      input,
      this.#filling,
      this.#length,
      this.head(origin),
      LONGEST_LINE,
      last,
    );
    this.#length += written;
    return input.subarray(consumed);
  }

  #next(): void {
    if (this.#busy) return;
    if (this.#length === 0) {
      this.#takeHeld();
      if (this.#length === 0) {
        for (const resolve of this.#idle.splice(0)) resolve();
        return;
      }
    }
    const buffer = this.#filling!;
    const lines = buffer.subarray(0, this.#length);
    const origin = this.#origin!;
    this.#filling = undefined;
    this.#length = 0;
    this.#busy = true;
    this.#takeHeld();
    void this.#inTurn(() => this.write(lines, origin)).then(() => {
      if (spare.length < SPARE_BUFFERS) spare.push(buffer);
      this.#done();
    });
  }

  #done(): void {
    this.#busy = false;
    if (this.#endsLater) {
      this.#end();
      return;
    }
    this.#next();
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    return this.disk === undefined ? act() : inTurn(this.disk, act);
  }

  #takeHeld(): void {
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      first.input = this.#take(first.input, first.origin, first.last);
      if (first.input.length > 0) return;
      this.#held.shift();
    }
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

export function lineCount(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}
