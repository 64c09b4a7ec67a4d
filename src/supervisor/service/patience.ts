import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, MetactlError } from '../../util/error.ts';

/** Milliseconds until the second try, and at most between two. */
const FIRST = 1_000;
const LONGEST = 30_000;

/** Seconds since the machine was started in which users of a directory service may still be unknown. */
const BOOT = 300;
const NOT_YET_KNOWN: readonly string[] = ['METACTL_NO_SUCH_USER', 'METACTL_NO_SUCH_GROUP'];

/**
 * Whether an error may pass by itself: one that asks for no exit status of its own, or at boot that a user isn't known. Pure.
 * @param up seconds since the machine was started.
 */
export function mayPass(error: unknown, up: number): error is MetactlError {
  if (!(error instanceof MetactlError)) return false;
  return error.exitStatus === EXIT.error || (up < BOOT && NOT_YET_KNOWN.includes(error.code));
}

/**
 * Does something until it succeeds, with a pause after each failure that is twice as long as the last one.
 * @param onFailure told what may pass by itself, and the milliseconds until the next try.
 * @throws what another try would not mend, see `mayPass`.
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
      if (!mayPass(error, uptime())) throw error;
      onFailure(error, pause);
    }
    await wait(pause);
  }
}
