import { closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MetactlError } from '../../util/error.ts';
import { makeWithParents } from '../../util/make-with-parents.ts';
import { maskWords } from '../../util/mask.ts';
import type { FileLock, FileLocks, LockHolder, LockRequest } from '../file-lock.ts';
import { addon } from './addon.ts';
import { openRootDirectory } from './directories.ts';

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Milliseconds between two tries. */
const PAUSE = 50;
/** Characters of a command line. */
const LONGEST_COMMAND = 120;

export const fileLocks: FileLocks = {
  async hold(request) {
    const directory = openDirectory(request);
    try {
      return await holdIn(directory, request);
    } finally {
      closeSync(directory);
    }
  },
  holderOf({ directory, name }) {
    const stat = lstatSync(join(directory, name), { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? undefined : holderOf(stat.ino, readFileSync('/proc/locks', 'latin1'));
  },
};

function openDirectory({ directory, privateMode }: LockRequest): number {
  if (privateMode !== undefined) return openRootDirectory(directory, privateMode);
  makeWithParents(directory);
  return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
}

async function holdIn(directory: number, request: LockRequest): Promise<FileLock | undefined> {
  const path = `/proc/self/fd/${directory}/${request.name}`;
  const deadline = performance.now() + request.patience;
  for (let told = false; ; await sleep(PAUSE)) {
    const fd = openLock(path, request);
    if (addon().flock(fd, 'exclusive')) {
      // Whoever had it has taken the file away: another process may have the one that is there now.
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return lockBehind(fd, request);
    } else if (!told) {
      request.onWait(fileLocks.holderOf(request));
      told = true;
    }
    closeSync(fd);
    if (performance.now() >= deadline) return undefined;
  }
}

function openLock(path: string, { directory, name }: LockRequest): number {
  const told = join(directory, name);
  let fd: number;
  try {
    fd = openSync(path, FLAGS, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ELOOP') throw error;
    throw unsafe(told, 'it is a link');
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.uid === process.geteuid?.()) {
    // Whatever the umask was: nobody else may open it, and with it lock it.
    if ((stat.mode & 0o777) !== 0o600) fchmodSync(fd, 0o600);
    return fd;
  }
  closeSync(fd);
  throw unsafe(told, stat.isFile() ? `it belongs to user ${stat.uid}` : 'it is no file');
}

function lockBehind(fd: number, { directory, name }: LockRequest): FileLock {
  return {
    release() {
      // By the path as it is now: whatever has moved there meanwhile is no lock of this process.
      const path = join(directory, name);
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) rmSync(path, { force: true });
      closeSync(fd);
    },
  };
}

/**
 * Who has a flock on a file. Of proc_pid(5)'s lines (`7: FLOCK  ADVISORY  WRITE 4711 00:1a:1234 0 EOF`) the inode is compared: the device
 * there is not what stat says on btrfs and overlayfs. Pure but for the command line.
 */
export function holderOf(inode: bigint, locks: string): LockHolder | undefined {
  for (const [, pid, found] of locks.matchAll(/^\d+: FLOCK +\S+ +WRITE +(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /gm)) {
    // 0: its process is in another PID namespace.
    if (BigInt(found!) === inode && pid !== '0') return { pid: Number(pid), command: commandOf(Number(pid)) };
  }
  return undefined;
}

function commandOf(pid: number): string | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '').split('\0');
    return maskWords(words).join(' ').slice(0, LONGEST_COMMAND) || undefined;
  } catch {
    // It has just ended, or is nobody's business.
    return undefined;
  }
}

function unsafe(path: string, why: string): MetactlError {
  return new MetactlError(`${path} is no lock of metactl's: ${why}`, {
    code: 'METACTL_UNSAFE_LOCK',
    step: 'lock the installation',
    path,
    hint: 'somebody else made it; look at it, then remove it',
  });
}
