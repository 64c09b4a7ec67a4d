import { chmodSync, closeSync, existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import type { Descriptor } from '../handover.ts';
import type { Notification, NotifyAccess, NotifySocket, StoredDescriptors } from '../notify.ts';
import { addon, type Poll, type RawNotification } from './addon.ts';
import { DescriptorStore, type Stored } from './descriptor-store.ts';
import { isMember, isOfNextRun, type Membership, membershipOf, withMain } from './member.ts';

export interface OpenNotifySocket extends NotifySocket {
  /** What the daemon gets at its next start. */
  stored(): readonly Stored[];
  handOver(): HandedNotify;
}

export interface HandedNotify {
  readonly socket: Descriptor;
  readonly stored: readonly Stored[];
}

/** Descriptors in messages that came before it is known whose they are: this process has only so many. */
const MOST_EARLY_DESCRIPTORS = 256;
/** Messages taken in one turn of the event loop: everything else must get its turn too. */
const AT_ONCE = 32;
/** More messages than this within a second, and the rest waits in the socket (and with it their senders). */
const MOST_PER_SECOND = 1000;
const SECOND = 1000;
/** Milliseconds of a second for messages with descriptors, each of which costs many times as much: as above, the rest waits. */
const MOST_ON_DESCRIPTORS = 100;

/**
 * Makes a daemon's socket at `path`. Its directory is made where it is not there: one that is for many apps may be passed
 * through, but not listed. @param cgroup the end of the daemon's cgroup path. @param access who may write to it, where the
 * socket is not in a sandbox: messages of others would not be believed, but fill it.
 * @throws MetactlError with step, system call and path.
 */
export function openNotifySocket(path: string, cgroup: string, access: NotifyAccess = ANYBODY): OpenNotifySocket {
  const directory = dirname(path);
  // Whatever umask metactl has: who supervises without a sandbox is to be reached by its daemons.
  if (mkdirSync(directory, { recursive: true, mode: 0o711 }) !== undefined) chmodSync(directory, 0o711);
  const fd = addon().notifySocket(directory, basename(path), access.mode, access.uid, access.gid);
  return new LinuxNotifySocket(fd, path, cgroup);
}

/** Whoever reaches it: behind a directory of root's, bound into one sandbox, where processes may have become other users. */
const ANYBODY: NotifyAccess = { mode: 0o666, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };

/** The socket of the process that this one takes the place of; what has arrived meanwhile is in it. */
export function takeOverNotifySocket({ socket, stored }: HandedNotify, path: string, cgroup: string): OpenNotifySocket {
  return new LinuxNotifySocket(socket.fd, path, cgroup, stored);
}

/** What a killed supervisor left, and the directory of sockets without a sandbox once it is empty. */
export function removeNotifySocket(path: string, { notifyDirectory }: Pick<Paths, 'notifyDirectory'>): void {
  // Usually there is none, and an error with its stack costs as much as all the rest of a stop.
  if (!existsSync(dirname(path))) return;
  rmSync(path, { force: true });
  if (dirname(path) !== notifyDirectory) return;
  try {
    rmdirSync(notifyDirectory);
  } catch {
    // Others use it, or it isn't there.
  }
}

class LinuxNotifySocket implements OpenNotifySocket {
  readonly #fd: number;
  readonly #path: string;
  readonly #cgroup: string;
  readonly #store = new DescriptorStore();
  #poll: Poll | undefined;
  #rest: NodeJS.Timeout | undefined;
  #pid = -1;
  #membership: Membership | undefined;
  #listener: ((message: Notification) => void) | undefined;
  /** Of the next run, which began before this process knew that the last one is over. */
  #early: RawNotification[] = [];
  #since = 0;
  #count = 0;
  #onDescriptors = 0;
  #open = true;

  constructor(fd: number, path: string, cgroup: string, stored: readonly Stored[] = []) {
    this.#store.put(stored);
    this.#fd = fd;
    this.#path = path;
    this.#cgroup = cgroup;
  }

  /**
   * Nothing is read before: of many daemons that start at once the first may have said that it is ready before this process
   * knows that it runs (native/spawn_queue.cc tells of them together), and what is read then is nobody's.
   */
  listen(pid: number, listener: (message: Notification) => void): void {
    const isFirst = this.#listener === undefined;
    this.#membership = membershipOf(pid, this.#cgroup);
    this.#pid = pid;
    this.#listener = listener;
    if (isFirst && this.#open) this.#watch();
    // Not in this turn: whoever listens has not told yet that there is a run.
    queueMicrotask(() => {
      for (const raw of this.#early.splice(0)) {
        try {
          this.#take(raw, true);
        } catch (error) {
          requireErrno(error);
        }
      }
    });
  }

  executed(): void {
    if (this.#membership !== undefined) this.#membership = withMain(this.#membership, this.#pid);
  }

  handOver(): HandedNotify {
    return { socket: { fd: this.#fd }, stored: this.#store.current() };
  }

  stored(): readonly Stored[] {
    return this.#store.current();
  }

  forget(name: string): void {
    this.#store.remove(name);
  }

  release(): StoredDescriptors {
    return this.#store.release();
  }

  restore(stored: StoredDescriptors): void {
    if (stored instanceof DescriptorStore) this.#store.put(stored.release().current());
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listener = undefined;
    clearTimeout(this.#rest);
    this.#poll?.close();
    for (const raw of this.#early.splice(0)) closeAll(raw);
    closeSync(this.#fd);
    this.#store.close();
    rmSync(this.#path, { force: true });
  }

  #watch(): void {
    this.#poll = addon().poll(this.#fd, () => this.#drain());
    this.#poll.setAlive(false);
  }

  /** The kernel calls again as long as something is left. */
  #drain(): void {
    for (let i = 0; i < AT_ONCE && this.#open; i++) {
      const begin = performance.now();
      let raw: RawNotification | null;
      try {
        raw = addon().receiveNotification(this.#fd);
        if (raw === null) return;
        this.#take(raw);
      } catch (error) {
        requireErrno(error);
        this.#since = performance.now();
        this.#pause();
        return;
      }
      if (raw.fds.length > 0) this.#onDescriptors += performance.now() - begin;
      if (this.#isFlood()) {
        this.#pause();
        return;
      }
    }
  }

  #take(raw: RawNotification, isAgain = false): void {
    let judged: Omit<Notification, 'keep'>;
    try {
      judged = this.#judge(raw);
    } catch (error) {
      closeAll(raw);
      throw error;
    }
    const held = this.#early.reduce((sum, { fds }) => sum + fds.length, raw.fds.length);
    const hasRoom = this.#early.length < AT_ONCE && held <= MOST_EARLY_DESCRIPTORS;
    if (judged.problem === 'foreign' && !isAgain && hasRoom && isOfNextRun(raw, this.#pid, this.#cgroup)) {
      this.#early.push(raw);
      return;
    }
    let left = raw.fds;
    const keep: Notification['keep'] = (name, most, watched) => {
      const fds = left;
      left = [];
      return this.#store.add(fds, { name, watched }, most);
    };
    try {
      this.#listener?.({ ...judged, keep });
    } finally {
      closeAll({ fds: left, pidfd: raw.pidfd });
    }
  }

  /** A sandbox that stood ready enters its cgroup when it is told to begin, perhaps after this process knew its pid. */
  #enterCgroup(): void {
    if (this.#membership === undefined || this.#membership.cgroup !== undefined || process.geteuid?.() !== 0) return;
    const { cgroup } = membershipOf(this.#pid, this.#cgroup) ?? {};
    if (cgroup !== undefined) this.#membership = { ...this.#membership, cgroup };
  }

  #judge(raw: RawNotification): Omit<Notification, 'keep'> {
    this.#enterCgroup();
    const about = { pid: raw.pid, descriptors: raw.fds.length };
    const member = this.#membership !== undefined && isMember(raw, this.#membership);
    if (!member) return { ...about, text: undefined, problem: 'foreign' };
    if (raw.oversized) return { ...about, text: undefined, problem: 'oversized' };
    if (raw.incomplete) return { ...about, text: raw.text, problem: 'incomplete' };
    return { ...about, text: raw.text };
  }

  #isFlood(): boolean {
    const now = performance.now();
    if (now - this.#since >= SECOND) {
      this.#since = now;
      this.#count = 0;
      this.#onDescriptors = 0;
    }
    return ++this.#count >= MOST_PER_SECOND || this.#onDescriptors >= MOST_ON_DESCRIPTORS;
  }

  #pause(): void {
    this.#poll?.close();
    this.#poll = undefined;
    const wait = Math.max(0, this.#since + SECOND - performance.now());
    this.#rest = setTimeout(() => this.#watch(), wait);
    this.#rest.unref();
  }
}

/**
 * No descriptor is left, say: nobody above could take that, the process would end, and all daemons with it. The message is lost.
 * @throws what is no error of the system: a fault of ours, which must not be hidden.
 */
function requireErrno(error: unknown): void {
  if ((error as { readonly code?: unknown }).code === undefined) throw error;
}

function closeAll({ fds, pidfd }: Pick<RawNotification, 'fds' | 'pidfd'>): void {
  for (const fd of fds) closeSync(fd);
  if (pidfd !== undefined) closeSync(pidfd);
}
