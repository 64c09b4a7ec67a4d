/** Lines of a daemon that are not in its log. Times in milliseconds since the epoch. */
export interface LogLoss {
  readonly lines: number;
  /** Where they were to go: a file, or a log daemon's socket. */
  readonly to: string;
  /** The last errno's name: `ENOSPC`. */
  readonly error: string;
  /** Of the first one. */
  readonly since: number;
  /** Of the last one. */
  readonly last: number;
  /** What is written now is lost too. */
  readonly lasting: boolean;
}

/** Counts for whoever asks, over all starts of a daemon until it is started by hand; `Losses` counts for the log itself. */
export class LossLedger {
  #loss: LogLoss | undefined;

  /** @param handed by the process before. */
  constructor(handed?: LogLoss) {
    this.#loss = handed;
  }

  /** Undefined: there is nothing to tell. */
  get loss(): LogLoss | undefined {
    return this.#loss;
  }

  /** @param lasting undefined: as it was. */
  add(lines: number, to: string, error: string, lasting?: boolean, now: number = Date.now()): void {
    const before = this.#loss;
    if (lines === 0 && lasting === undefined) return;
    this.#loss = {
      lines: (before?.lines ?? 0) + lines,
      to,
      error,
      since: before?.since ?? now,
      last: lines > 0 ? now : (before?.last ?? now),
      lasting: lasting ?? before?.lasting ?? false,
    };
  }

  /** It works again. */
  over(): void {
    if (this.#loss !== undefined) this.#loss = { ...this.#loss, lasting: false };
  }
}
