import { setTimeout as sleep } from 'node:timers/promises';
import { MetactlError } from '../../util/error.ts';
import { addon } from './addon.ts';

const FIRST_PAUSE = 1;
const LONGEST_PAUSE = 50;

interface LockOptions {
  readonly shared?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
  /** What whoever else has it does. */
  readonly users?: string;
}

/**
 * Takes a flock(2) on an open descriptor, waiting at most `timeout` ms without blocking the event loop. It is released
 * by closing the descriptor (and all its duplicates), so also by the death of this process.
 * @throws MetactlError METACTL_LOCKED where another process keeps it longer than that; an errno name otherwise.
 */
export async function lockFile(
  fd: number,
  path: string,
  { shared = false, timeout = 60_000, users = 'works on the same app' }: LockOptions = {},
): Promise<void> {
  const deadline = Date.now() + timeout;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    if (addon().flock(fd, shared ? 'shared' : 'exclusive')) return;
    if (Date.now() >= deadline) {
      throw new MetactlError(`\`${path}\` is locked by another process`, {
        code: 'METACTL_LOCKED',
        step: 'lock file',
        path,
        hint: `another metactl ${users}: try again when it is done`,
      });
    }
    await sleep(pause);
  }
}
