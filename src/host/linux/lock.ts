import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { MetactlError } from '../../util/error.ts';
import { monotonic } from '../../util/monotonic.ts';
import type { Paths } from '../../util/paths.ts';
import { addon } from './addon.ts';
import { makeRunDirectories } from './directories.ts';
import { lockFile } from './flock.ts';

/** Held only while shared objects of an app are made or removed; not a daemon's name, because of the dot. */
const APP_LOCK = '.app.lock';
const DAEMON_LOCK = /^([a-z][a-z0-9-]*)\.lock$/;

const SOCKET = /^[a-z][a-z0-9-]*\.sock$/;

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Those of this process that want an app's lock. */
interface Queue {
  /** When the last of them is done. */
  last: Promise<unknown>;
  waiting: number;
  /** The lock, handed on by the one before; undefined: it must be taken. */
  fd: number | undefined;
  /** When it was taken, by monotonic(). */
  since: number;
}

const queues = new Map<string, Queue>();

/** The first of those of this process that want an app's lock at the same time, a later one, or one that is alone. */
export type Turn = 'alone' | 'first' | 'later';

/** Milliseconds after which the lock is not handed on any more: other processes get their turn. */
const LONGEST_HOLD = 500;

/**
 * Runs `work` while no other metactl makes or removes shared objects of the app. In this process one after the other, in
 * the order in which they came: left to the file's lock they would look again and again whether it is free, and some of a
 * hundred daemons that start at once would not get it in ten seconds. It is handed on to the next, since taking it costs
 * a dozen system calls.
 * @param work is told whether it is one of many.
 * @throws MetactlError METACTL_LOCKED after a minute; what `work` throws.
 */
export function withAppLock<T>(paths: Paths, app: string, work: (turn: Turn) => Promise<T>): Promise<T> {
  const key = paths.runApp(app);
  const queue = queues.get(key) ?? { last: Promise.resolve(), waiting: 0, fd: undefined, since: 0 };
  const before = queues.has(key) ? queue.last : undefined;
  queues.set(key, queue);
  queue.waiting++;
  const locked = () => whileLocked(paths, app, queue, work);
  const mine = before === undefined ? locked() : before.then(locked);
  const over = mine.then(
    () => {},
    () => {},
  );
  queue.last = over;
  void over.then(() => {
    if (queue.last === over) queues.delete(key);
  });
  return mine;
}

async function whileLocked<T>(paths: Paths, app: string, queue: Queue, work: (turn: Turn) => Promise<T>): Promise<T> {
  const handed = queue.fd;
  queue.fd = undefined;
  queue.waiting--;
  let fd = handed;
  if (fd === undefined) {
    fd = await lockApp(paths, app);
    queue.since = monotonic();
  }
  try {
    return await work(handed !== undefined ? 'later' : queue.waiting > 0 ? 'first' : 'alone');
  } finally {
    const path = `${paths.runApp(app)}/${APP_LOCK}`;
    const goesOn = queue.waiting > 0 && monotonic() - queue.since < LONGEST_HOLD && isStill(fd, path);
    if (goesOn) queue.fd = fd;
    else closeSync(fd);
  }
}

/** Whether an open lock is the one that others find at its path. */
function isStill(fd: number, path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
}

/** The file goes with the app's last daemon, so whoever waited for it may hold one that is gone: it looks again. */
async function lockApp(paths: Paths, app: string): Promise<number> {
  const path = `${paths.runApp(app)}/${APP_LOCK}`;
  for (;;) {
    makeRunDirectories(paths, app);
    let fd: number;
    try {
      fd = openSync(path, FLAGS, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    try {
      await lockFile(fd, path);
      if (isStill(fd, path)) return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

/** Takes an app's run directory away, if no daemon lives and nothing but its lock is left in it. Under the app's lock. */
export function removeRunDirectory(paths: Paths, app: string): void {
  const directory = paths.runApp(app);
  // The control sockets of supervisors that were killed.
  for (const name of readdirSync(directory)) if (SOCKET.test(name)) rmSync(join(directory, name), { force: true });
  if (readdirSync(directory).some((name) => name !== APP_LOCK)) return;
  rmSync(join(directory, APP_LOCK), { force: true });
  rmdirSync(directory);
}

/** A daemon's "alive" lock: the kernel lets go of it when its supervisor ends, however it ends. */
export interface DaemonHold {
  /** The lock is this descriptor's. */
  readonly fd: number;
  /** Whether others find it: somebody may have removed its file. */
  isThere(): boolean;
  /** Under the app's lock: its file goes too. */
  release(): void;
  /** Without it, where that can't be had: the file stays, and whoever finds it takes it. Nothing after `release`. */
  letGo(): void;
}

/**
 * Call it under the app's lock, as `livingDaemons`: looking at a lock takes it for a moment.
 * @throws MetactlError METACTL_ALREADY_RUNNING where another supervisor holds the daemon.
 */
export function holdDaemon(paths: Paths, app: string, daemon: string): DaemonHold {
  const path = `${paths.runApp(app)}/${daemon}.lock`;
  const fd = openSync(path, FLAGS, 0o600);
  if (!addon().flock(fd, 'exclusive')) {
    closeSync(fd);
    throw new MetactlError(`${app}/${daemon} is already running`, {
      code: 'METACTL_ALREADY_RUNNING',
      path,
      hint: `see metactl ps ${app}; stop it first`,
    });
  }
  return holdBehind(fd, path);
}

/**
 * The hold of the process that this one takes the place of, or of this one. Where somebody has removed its file it is taken anew: all
 * daemons would end with a process that refuses now. @throws MetactlError where it is another supervisor's.
 */
export function takeOverHold(paths: Paths, app: string, daemon: string, fd: number): DaemonHold {
  const path = `${paths.runApp(app)}/${daemon}.lock`;
  if (isStill(fd, path)) return holdBehind(fd, path);
  makeRunDirectories(paths, app);
  const next = openSync(path, FLAGS, 0o600);
  if (addon().flock(next, 'exclusive')) {
    closeSync(fd);
    return holdBehind(next, path);
  }
  closeSync(next);
  throw new MetactlError(`descriptor ${fd} is not the lock ${path}`, { code: 'METACTL_HANDOVER', path });
}

function holdBehind(fd: number, path: string): DaemonHold {
  let held = true;
  const letGo = () => {
    if (held) closeSync(fd);
    held = false;
  };
  return {
    fd,
    isThere: () => isStill(fd, path),
    release() {
      // Under the app's lock too, so nobody has the old file open and waits for it.
      if (held) rmSync(path, { force: true });
      letGo();
    },
    letGo,
  };
}

/** Names of the app's daemons whose supervisor lives, by trying their locks. */
export function livingDaemons(paths: Paths, app: string): string[] {
  return lockNames(paths, app).filter((name) => lives(paths, app, name));
}

/** Whether at least so many do: it looks no further than it has to. */
export function areLiving(paths: Paths, app: string, count: number): boolean {
  let found = 0;
  return lockNames(paths, app).some((name) => lives(paths, app, name) && ++found === count);
}

function lives(paths: Paths, app: string, name: string): boolean {
  const fd = openSync(`${paths.runApp(app)}/${name}.lock`, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    // Closing lets go of a lock that was free.
    return !addon().flock(fd, 'exclusive');
  } finally {
    closeSync(fd);
  }
}

function lockNames(paths: Paths, app: string): string[] {
  try {
    return readdirSync(paths.runApp(app)).flatMap((name) => DAEMON_LOCK.exec(name)?.[1] ?? []);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
