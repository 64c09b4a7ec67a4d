import { closeSync, constants, openSync } from 'node:fs';
import { lockFile } from './flock.ts';

/**
 * Uplinks, host ports and nft are the machine's, so every root's metactl must meet in one lock, which nobody but root may
 * hold: this is a file of the kernel's that only root can open and that belongs to the network namespace. It is only
 * locked.
 */
const MACHINE_LOCK = '/proc/sys/net/ipv4/tcp_fastopen_key';

/** From open(2); Node has no name for it. */
const O_PATH = 0o10000000;
let lockPlace: number | undefined;

export async function withMachineLock<T>(shared: boolean, work: () => Promise<T>): Promise<T> {
  // Looked up once: below /proc/sys/net that gets slower with every network namespace. Each holder has an open file of
  // its own, or two tasks of this process would share one lock.
  lockPlace ??= openSync(MACHINE_LOCK, O_PATH);
  const fd = openSync(`/proc/self/fd/${lockPlace}`, constants.O_RDONLY);
  try {
    await lockFile(fd, MACHINE_LOCK, { shared, users: 'changes the networks of this machine' });
    return await work();
  } finally {
    closeSync(fd);
  }
}
