import { closeSync } from 'node:fs';
import type { Paths } from '../../util/paths.ts';
import { addon } from './addon.ts';
import { verifyIdentity } from './identity.ts';
import { readLive, removeLive } from './live.ts';

const SIGKILL = 9;
/** A killed PID 1 takes its namespace along; the kernel needs milliseconds, a loaded machine a little more. */
const PATIENCE = 10_000;

/**
 * Ends what a killed supervisor of this daemon left running. PID 1 ends by itself when its supervisor dies, so this is
 * for the moment between. The recorded process is only touched if it is the very same one, seen behind an open pidfd.
 */
export async function endPredecessor(paths: Paths, app: string, daemon: string): Promise<void> {
  const live = readLive(paths, app, daemon);
  if (live === undefined) return;
  const pidfd = openPidfd(live.pid);
  if (pidfd !== undefined) {
    try {
      if (verifyIdentity(pidfd, live)) {
        addon().pidfdSendSignal(pidfd, SIGKILL);
        await gone(pidfd);
      }
    } finally {
      closeSync(pidfd);
    }
  }
  removeLive(paths, app, daemon);
}

/** @returns undefined where there is no such process. */
export function openPidfd(pid: number): number | undefined {
  try {
    return addon().pidfdOpen(pid);
  } catch (error) {
    if ((error as { code?: string }).code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Resolves when the process behind a pidfd has ended (a pidfd becomes readable then) or patience has. */
function gone(pidfd: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      poll.close();
      resolve();
    };
    const timer = setTimeout(finish, PATIENCE);
    const poll = addon().poll(pidfd, finish);
  });
}
