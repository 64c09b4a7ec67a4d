import type { Readable } from 'node:stream';
import type { OutputReceiver, Sandbox } from '../../host/host.ts';
import { GatheredBytes } from '../../util/gathered-bytes.ts';
import type { StartOutput } from '../output.ts';
import { LONGEST_LINE, type LogStreamName, MARK, type Origin, wholeCharacters } from './line.ts';
import type { HandedSink, Sink } from './sink.ts';

/** Something else that wants a daemon's output as it comes; the bytes are there only during the call. */
export interface Tap {
  push(bytes: Buffer): Promise<void> | undefined;
  end(): Promise<void> | undefined;
}

export type Taps = Readonly<Partial<Record<'out' | 'err', Tap>>>;

/** What a log hands over to the process that takes this one's place. */
export interface HandedLog {
  readonly sink: HandedSink;
  /** Beginnings of lines whose ends have not come. */
  readonly rests: Readonly<Record<'out' | 'err', Uint8Array>>;
}

/** The log of one daemon, over all of its starts. */
export class DaemonLog {
  readonly #sink: Sink;
  readonly #taps: Taps;
  readonly #streams = new Set<LogStream>();
  /** Of the last start. */
  #last: Readonly<Record<'out' | 'err', LogStream>> | undefined;
  #rests: HandedLog['rests'] | undefined;

  constructor(sink: Sink, taps: Taps = {}, handed?: HandedLog) {
    this.#sink = sink;
    this.#taps = taps;
    this.#rests = handed?.rests;
  }

  /** Stops reading, and waits until all that was read is where it goes. @returns false where that takes longer. */
  pause(patience: number): Promise<boolean> {
    for (const stream of this.#streams) stream.pause();
    return this.#sink.flush(patience);
  }

  /** Reads on. */
  goOn(): void {
    for (const stream of this.#streams) stream.goOn();
  }

  /** Undefined while a start that is over still has output to come. @param running whether the last one is not. */
  handOver(running: boolean): HandedLog | undefined {
    const { out, err } = this.#last ?? {};
    if (!running && this.#streams.size > 0) return undefined;
    if ([...this.#streams].some((stream) => stream !== out && stream !== err)) return undefined;
    const none = this.#rests ?? { out: NOTHING, err: NOTHING };
    return { sink: this.#sink.handOver(), rests: { out: out?.rest ?? none.out, err: err?.rest ?? none.err } };
  }

  /** For one start. */
  startOutput(): StartOutput {
    const out = new LogStream('out', this.#sink, this.#taps.out, this.#rests?.out);
    const err = new LogStream('err', this.#sink, this.#taps.err, this.#rests?.err);
    this.#rests = undefined;
    this.#last = { out, err };
    const attach = (sandbox: Sandbox) => {
      for (const [stream, readable] of [
        [out, sandbox.stdout],
        [err, sandbox.stderr],
      ] as const) {
        this.#streams.add(stream);
        stream.attach(sandbox.pid, readable);
        void stream.ended.then(() => this.#streams.delete(stream));
      }
    };
    return { io: { stdin: 'null', stdout: out, stderr: err }, attach };
  }

  /** Waits for the end of all output, then for the sink; at most so many milliseconds each. */
  async close(patience: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([Promise.all([...this.#streams].map(({ ended }) => ended)), late]);
    clearTimeout(timer);
    for (const stream of this.#streams) stream.finish();
    await this.#sink.close(patience);
  }
}

/** One stream of one start: whole lines go on at once, the beginning of a line waits for its end. */
class LogStream implements OutputReceiver {
  /** Resolves when all of it has been given to the sink. */
  readonly ended: Promise<void>;
  readonly #name: LogStreamName;
  readonly #sink: Sink;
  readonly #tap: Tap | undefined;
  #readable: Readable | undefined;
  #pid = 0;
  /** The beginning of a line. */
  readonly #rest = new GatheredBytes();
  #finished = false;
  #paused = false;
  #end!: () => void;

  constructor(name: LogStreamName, sink: Sink, tap: Tap | undefined, rest: Uint8Array = NOTHING) {
    this.#rest.append(rest);
    this.#name = name;
    this.#sink = sink;
    this.#tap = tap;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  attach(pid: number, readable: Readable | undefined): void {
    this.#pid = pid;
    this.#readable = readable;
    if (readable === undefined || readable.destroyed) this.finish();
    else readable.once('close', () => this.finish());
  }

  receive(bytes: Buffer): boolean {
    if (this.#finished) return true;
    const tapped = this.#tap?.push(bytes);
    const logged = this.#lines(bytes);
    if (tapped === undefined && logged === undefined) return true;
    void Promise.all([tapped, logged]).then(() => {
      if (!this.#paused) this.#readable?.resume();
    });
    return false;
  }

  /** The beginning of a line. */
  get rest(): Uint8Array {
    return Buffer.from(this.#rest.bytes);
  }

  pause(): void {
    this.#paused = true;
    this.#readable?.pause();
  }

  goOn(): void {
    this.#paused = false;
    this.#readable?.resume();
  }

  end(): void {
    this.finish();
  }

  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    if (this.#rest.length > 0) void this.#sink.push(this.#rest.bytes, this.#origin(), MARK.unfinished);
    this.#rest.clear();
    const end = this.#tap?.end();
    if (end === undefined) this.#end();
    else void end.then(this.#end);
  }

  /** The last promise of the sink is the one that counts: it comes when all before it has been taken. */
  #lines(bytes: Buffer): Promise<void> | undefined {
    const origin = this.#origin();
    let pushed: Promise<void> | undefined;
    let from = 0;
    if (this.#rest.length > 0) {
      from = bytes.indexOf(10) + 1;
      if (from > 0) {
        this.#rest.append(bytes.subarray(0, from));
        pushed = this.#sink.push(this.#rest.bytes, origin);
        this.#rest.clear();
      }
    }
    const to = bytes.lastIndexOf(10) + 1;
    if (to > from) pushed = this.#sink.push(bytes.subarray(from, to), origin);
    if (to < bytes.length) this.#rest.append(bytes.subarray(to));
    if (this.#rest.length > LONGEST_LINE) {
      const length = wholeCharacters(this.#rest.bytes);
      pushed = this.#sink.push(this.#rest.bytes.subarray(0, length), origin, MARK.continued);
      this.#rest.drop(length);
    }
    return pushed;
  }

  #origin(): Origin {
    return { stream: this.#name, pid: this.#pid, time: Date.now() };
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
