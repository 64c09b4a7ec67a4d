import { LossLedger } from './loss-ledger.ts';

/** Milliseconds between two tries to write where the last one was refused. */
const REST = 1000;
/** Of a line that a log daemon can't take; nothing else is lost while there is no error. */
const TOO_LONG = 'EMSGSIZE';

/** What is not told yet, for the process that takes this one's place. */
export interface HandedLosses {
  readonly lost: number;
  readonly code: string | undefined;
}

/** Counts lines that the disk or a log daemon refused, and tells of them once. */
export class Losses {
  readonly #tell: (text: string) => void;
  readonly #what: string;
  readonly #ledger: LossLedger;
  #lost = 0;
  #code: string | undefined;
  #until = 0;

  /** @param what where the lines were to go. @param ledger what is told after the log has said it. */
  constructor(
    tell: (text: string) => void,
    what: string,
    handed?: HandedLosses,
    ledger: LossLedger = new LossLedger(),
  ) {
    this.#tell = tell;
    this.#what = what;
    this.#ledger = ledger;
    this.#lost = handed?.lost ?? 0;
    this.#code = handed?.code;
  }

  handOver(): HandedLosses {
    return { lost: this.#lost, code: this.#code };
  }

  /** Lines have been lost, and nobody who reads the log knows it yet. */
  get pending(): boolean {
    return this.#lost > 0;
  }

  /** Whether the last try is so short a time ago that another need not be made. `now`: ms of a clock that is never set. */
  resting(now: number): boolean {
    return this.#code !== undefined && now < this.#until;
  }

  /** The next try need not wait. */
  rested(): void {
    this.#until = 0;
  }

  add(lines: number): void {
    this.#lost += lines;
    this.#ledger.add(lines, this.#what, this.#code ?? TOO_LONG);
  }

  /** Counts, and tells at the first one. */
  refused(code: string, lines: number, now: number): void {
    if (this.#code === undefined)
      this.#tell(`can't write to ${this.#what}: ${code}; its lines are lost until that works again`);
    this.#code = code;
    this.#until = now + REST;
    this.#lost += lines;
    this.#ledger.add(lines, this.#what, code, true);
  }

  /** What the log says where lines are missing. */
  text(): string {
    return `${this.#lost} ${this.#lost === 1 ? 'line' : 'lines'} lost: ${this.#code ?? TOO_LONG}`;
  }

  /** Nothing more is written: what the log could not say is told. */
  end(): void {
    if (this.#lost > 0) this.#tell(`${this.#what} ends with ${this.text()}`);
    this.#lost = 0;
  }

  /** It works again, and the log says what is missing. */
  over(): void {
    this.#ledger.over();
    if (this.#code !== undefined) this.#tell(`${this.#what} is written again: ${this.text()}`);
    this.#code = undefined;
    this.#lost = 0;
  }
}
