import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, MetactlError } from '../../util/error.ts';

/** Milliseconds until the second try, and at most between two. */
const FIRST = 1_000;
const LONGEST = 30_000;

/**
 * Does something until it succeeds, with a pause after each failure that is twice as long as the last one.
 * @param onFailure told what may pass by itself, and the milliseconds until the next try.
 * @throws what another try would not mend: all that asks for an exit status of its own, and faults of metactl.
 */
export async function untilDone<T>(
  work: () => Promise<T>,
  onFailure: (error: MetactlError, pause: number) => void,
  wait: (milliseconds: number) => Promise<unknown> = sleep,
): Promise<T> {
  for (let pause = FIRST; ; pause = Math.min(2 * pause, LONGEST)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MetactlError) || error.exitStatus !== EXIT.error) throw error;
      onFailure(error, pause);
    }
    await wait(pause);
  }
}
