import type { HandedReadiness } from '../state/types.ts';

/** Calls `expired` unless `alive` is called often enough. */
export class Watchdog {
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;
  #time: number | undefined;
  #last = 0;

  /** @param time milliseconds; undefined: none until the daemon sets one. */
  constructor(time: number | undefined, expired: () => void) {
    this.#time = time;
    this.#expired = expired;
  }

  /** Goes on counting as another process did. @param by what this one's clock shows more. */
  goOn({ time, last, counts }: HandedReadiness['watchdog'], by: number): void {
    this.#time = time;
    this.#last = last + by;
    if (counts) this.#arm();
  }

  handOver(): HandedReadiness['watchdog'] {
    return { time: this.#time, last: this.#last, counts: this.#timer !== undefined };
  }

  /** Begins to count, where there is a time. */
  start(): void {
    this.alive();
    this.#arm();
  }

  alive(): void {
    this.#last = performance.now();
  }

  /** From now on; also begins to count. */
  setTime(time: number): void {
    this.#time = time;
    this.start();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    this.stop();
    if (this.#time === undefined) return;
    const left = this.#last + this.#time - performance.now();
    this.#timer = setTimeout(() => this.#look(), Math.max(1, left));
    this.#timer.unref();
  }

  /**
   * Timers come before what has arrived: where this process was stopped or busy itself, the signs of life are still in
   * the socket. They are read before it is judged.
   */
  #look(): void {
    setImmediate(() => {
      if (this.#timer === undefined || this.#time === undefined) return;
      if (performance.now() - this.#last < this.#time) return this.#arm();
      this.stop();
      this.#expired();
    });
  }
}
