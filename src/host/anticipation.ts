/**
 * Ends of a daemon after which it is to be started again at once. Its next run may then begin at that very moment, before anybody
 * is told; the next `start` is given it. Who allows that starts the daemon in the same turn in which `over` resolves: a run that
 * nobody has taken by then is killed. A hint: it is not always possible.
 */
export interface Anticipation {
  /** Milliseconds from now: not after an earlier end. */
  readonly delay: number;
  /** Not 0: after such an end. By exit status; from 256 on by signal. */
  readonly endings: Uint8Array;
}
