import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import type { Peer } from '../dial.ts';
import type { SupervisorHold } from '../supervisor-host.ts';
import { addon } from './addon.ts';
import { bootId } from './boot-id.ts';
import { openRootDirectory } from './directories.ts';
import { holderOfRemoved } from './flock-holders.ts';
import { readIdentity } from './identity.ts';
import { lostSupervisor, type SupervisorNote } from './lost-supervisor.ts';
import { peerOf } from './peer.ts';

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

const fileOf = (paths: Paths) => join(paths.run, 'control.lock');

/** See SupervisorHost. The file stays: a lock on a file that may be removed needs a lock for that. */
export function holdSupervisor(paths: Paths): SupervisorHold | undefined {
  const fd = take(paths);
  if (fd === undefined) return undefined;
  const { boot, note } = read(fd);
  const lost = note === undefined || boot !== bootId() ? undefined : lostSupervisor(paths, note);
  writeNote(fd, undefined);
  return holdBehind(paths, fd, lost);
}

/** See SupervisorHost. */
export function takeOverSupervisor(paths: Paths, fd: number): SupervisorHold {
  return holdBehind(paths, fd, undefined);
}

/** @returns undefined where another one has the lock. */
function take(paths: Paths): number | undefined {
  closeSync(openRootDirectory(paths.run, 0o700));
  const path = fileOf(paths);
  const fd = openSync(path, FLAGS, 0o600);
  // One whose file was removed still has the node: it takes the new one in a moment, so this is no place to stay.
  if (addon().flock(fd, 'exclusive') && (fstatSync(fd).size > 0 || holderOfRemoved(path) === undefined)) return fd;
  closeSync(fd);
  return undefined;
}

function holdBehind(paths: Paths, first: number, lost: SupervisorHold['lost']): SupervisorHold {
  let fd = first;
  // Kept where the process before this one, of the same pid, has noted it.
  let note = read(fd).note;
  const isThere = () => isStill(fd, fileOf(paths));
  return {
    lost,
    get lock() {
      return { fd };
    },
    note() {
      const startTime = readIdentity(process.pid)?.startTime ?? '';
      if (note?.pid !== process.pid || note.startTime !== startTime)
        note = { pid: process.pid, startTime, since: Date.now() };
      writeNote(fd, note);
    },
    isThere,
    renew() {
      if (isThere()) return true;
      closeSync(openRootDirectory(paths.run, 0o700));
      const next = openSync(fileOf(paths), FLAGS, 0o600);
      if (!addon().flock(next, 'exclusive')) {
        closeSync(next);
        return false;
      }
      closeSync(fd);
      fd = next;
      writeNote(fd, note);
      return true;
    },
    release() {
      writeNote(fd, undefined);
      closeSync(fd);
    },
  };
}

/** Whether an open file is the one that others find at its path. */
function isStill(fd: number, path: string): boolean {
  const own = fstatSync(fd);
  const there = lstatSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.ino === own.ino && there.dev === own.dev;
}

/** The boot first: under a moved root the file outlives it, which /run does not. */
function writeNote(fd: number, note: SupervisorNote | undefined): void {
  ftruncateSync(fd);
  writeSync(fd, `${bootId()}\n${note === undefined ? '' : `${JSON.stringify(note)}\n`}`, 0);
}

/** Of a file of an older version there is the boot only; of half a note, none. */
function read(fd: number): { readonly boot: string; readonly note: SupervisorNote | undefined } {
  const [boot = '', line = ''] = textOf(fd).split('\n');
  try {
    const note = JSON.parse(line) as SupervisorNote;
    return { boot, note: Number.isInteger(note.pid) && Number.isFinite(note.since) ? note : undefined };
  } catch {
    return { boot, note: undefined };
  }
}

/** From the beginning, wherever the descriptor stands. */
function textOf(fd: number): string {
  return readFileSync(`/proc/self/fd/${fd}`, 'utf8');
}

/** See SupervisorHost. */
export function wasSupervised(paths: Paths): boolean {
  return readLock(paths)?.boot === bootId();
}

/** See SupervisorHost. */
export function holderOfSupervisor(paths: Paths): Peer | undefined {
  const { boot, note } = readLock(paths) ?? {};
  const isThere = boot === bootId() && note !== undefined && readIdentity(note.pid)?.startTime === note.startTime;
  return peerOf((isThere ? note.pid : holderOfRemoved(fileOf(paths))) ?? 0);
}

function readLock(paths: Paths): ReturnType<typeof read> | undefined {
  try {
    const fd = openSync(fileOf(paths), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return read(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
