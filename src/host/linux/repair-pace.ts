/** So many repairs within the window are no fight yet. */
const FREE = 5;
const WINDOW = 60_000;
const FIRST_PAUSE = 2_000;
const LONGEST_PAUSE = 300_000;
/** After so long without a repair the fight is over. */
const QUIET = 600_000;

/** How often something may be put back that somebody else takes away again and again. Times in milliseconds. Pure. */
export class RepairPace {
  #times: readonly number[] = [];
  #pause = 0;
  #until = Number.NEGATIVE_INFINITY;

  /** Whether a repair may be made now. */
  ready(now: number): boolean {
    return now >= this.#until;
  }

  /** Notes a repair. @returns how long there will be no other one; 0: no pause. */
  note(now: number): number {
    if (now - (this.#times.at(-1) ?? now) > QUIET) this.#pause = 0;
    this.#times = [...this.#times.filter((time) => time > now - WINDOW), now];
    if (this.#pause === 0 && this.#times.length <= FREE) return 0;
    this.#pause = this.#pause === 0 ? FIRST_PAUSE : Math.min(2 * this.#pause, LONGEST_PAUSE);
    this.#until = now + this.#pause;
    return this.#pause;
  }
}
