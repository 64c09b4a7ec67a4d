import type { LogHost } from '../../host/log-host.ts';
import { LONGEST_LINE, MARK, type Origin } from './line.ts';
import type { LossLedger } from './loss-ledger.ts';
import { Losses } from './losses.ts';
import { BufferedSink, type HandedSink, lineCount } from './sink.ts';

/** A little more than `Losses` rests. ms */
const RETRY = 1010;
/** Room for the one line that tells of lost ones. */
const NOTE_SIZE = 512;

export interface Sent {
  /** Bytes that are where they go. */
  readonly done: number;
  /** Lines among them that had to be left out. */
  readonly skipped?: number;
  /** The errno's name that ended it. */
  readonly error: string | undefined;
}

/** Counts the lines that are refused, tells of them once, and puts their number into the log when that works again. */
export abstract class TellingSink extends BufferedSink {
  readonly #frame: LogHost['frame'];
  readonly #losses: Losses;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    frame: LogHost['frame'],
    onProblem: (text: string) => void,
    what: string,
    handed?: HandedSink,
    ledger?: LossLedger,
  ) {
    super(frame);
    this.#frame = frame;
    this.#losses = new Losses(onProblem, what, handed?.losses, ledger);
    if (this.#losses.pending) this.#retryLater();
  }

  handOver(): HandedSink {
    return { losses: this.#losses.handOver() };
  }

  /** Never rejects. */
  protected abstract send(lines: Buffer, origin: Origin): Promise<Sent>;

  protected async write(lines: Buffer, origin: Origin): Promise<void> {
    if (this.#losses.resting(performance.now()) || !(await this.#tell())) {
      this.#losses.add(lineCount(lines));
      return;
    }
    const { done, skipped = 0, error } = await this.send(lines, origin);
    this.#losses.add(skipped);
    if (error !== undefined) this.#refused(error, lineCount(lines.subarray(done)));
  }

  protected async retry(): Promise<void> {
    if (!this.#losses.resting(performance.now())) await this.#tell();
  }

  /** Tells how many lines are missing: a last try whether the log can say so itself, else only whoever looks at problems. */
  override async close(patience: number): Promise<void> {
    if (this.#losses.pending && (await this.flush(patience))) {
      this.#losses.rested();
      this.poke();
    }
    await super.close(patience);
  }

  protected end(): void {
    clearTimeout(this.#timer);
    this.#losses.end();
  }

  /** @returns false where it still doesn't work. */
  async #tell(): Promise<boolean> {
    if (!this.#losses.pending) return true;
    const origin: Origin = { stream: 'metactl', pid: process.pid, time: Date.now() };
    const note = Buffer.alloc(NOTE_SIZE);
    const text = Buffer.from(`${this.#losses.text()}\n`);
    const { written } = this.#frame(text, note, 0, this.head(origin), LONGEST_LINE, MARK.ended);
    const { error } = await this.send(note.subarray(0, written), origin);
    if (error === undefined) this.#losses.over();
    else this.#refused(error, 0);
    return error === undefined;
  }

  #refused(error: string, lines: number): void {
    this.#losses.refused(error, lines, performance.now());
    this.#retryLater();
  }

  #retryLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.poke(), RETRY).unref();
  }
}
