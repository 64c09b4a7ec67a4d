/** Time as the state machine's driver uses it; tests put a clock of their own in its place. */
export interface Clock {
  /** Milliseconds of a clock that is never set: what waits and counts goes by it. */
  now(): number;
  /** Milliseconds since the epoch: what is shown goes by it. */
  wall(): number;
  /** 0 ≤ n < 1. */
  random(): number;
  /** @returns a function that takes the timer back. */
  after(milliseconds: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  after(milliseconds, call) {
    const timer = setTimeout(call, milliseconds);
    return () => clearTimeout(timer);
  },
};
