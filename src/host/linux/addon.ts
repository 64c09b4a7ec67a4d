import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MetactlError } from '../../util/error.ts';
import type { Envelope } from '../log-host.ts';
import type { TreeSource } from './encode-steps.ts';

/** The native part as it is: raw descriptors and numbers. Every function throws a MetactlError. */
export interface Addon {
  /**
   * All of a small file of the kernel's (no symlink is followed at its end); null where it, or what it told of, is gone. A
   * third of what Node's own takes, which counts where a restart waits for it.
   */
  readText(path: string): string | null;
  /**
   * The number that each of some small files of the kernel's begins with, or has behind its first word; -1 where there is none.
   * In one call, because `status` reads three for each daemon. @param paths each with a NUL behind it.
   */
  readNumbers(paths: string): number[];
  /** flock(2), never blocking. @returns false where another holder has it. `lockFile` waits, with a bound. */
  flock(fd: number, operation: 'shared' | 'exclusive' | 'unlock'): boolean;
  /** Mounts a tmpfs (nosuid, nodev) on a directory, opened without following any symlink. Sizes in bytes. */
  mountTmpfs(path: string, options: { size: number; mode: number; uid?: number; gid?: number; inodes?: number }): void;
  /** Binds the namespace behind `fd` on an existing file, so that it lives as long as that mount. */
  pinNamespace(fd: number, path: string): void;
  /** Detaches every mount stacked on `path`. @returns how many there were; 0 where the path isn't there. */
  unmount(path: string): number;
  /** `ptmx`: an opened multiplexer to use in place of the host's; it becomes the master. */
  openPty(rows: number, columns: number, ptmx?: number): { master: number; slave: number };
  setWindowSize(fd: number, rows: number, columns: number): void;
  /** Lets all bytes pass a terminal as they are, both ways. @returns how it was set before, for `restoreTerminal`. */
  makeRaw(fd: number): Buffer;
  restoreTerminal(fd: number, before: Buffer): void;
  /** Before Linux 5.4 the process's directory in /proc, which every function here takes in a pidfd's place. */
  pidfdOpen(pid: number): number;
  /** @returns false where the process is gone. */
  pidfdSendSignal(pidfd: number, signal: number): boolean;
  /** Reaps a child of this process without blocking. @returns null while it runs. */
  waitPidfd(pidfd: number): ChildEnd | null;
  /** SO_PEERCRED of a connected unix socket. */
  peerCredentials(fd: number): { pid: number; uid: number; gid: number };
  /**
   * A blocking stream socket that is connected to the one at `path`. No call on it, nor this one, waits longer than so many
   * milliseconds: EAGAIN then, or EINTR where the process was stopped meanwhile.
   */
  connectStream(path: string, milliseconds: number): number;
  /**
   * Has V8 collect all garbage and shrink its heap, and malloc give back what it keeps; `stacks`: also threads what is unused of
   * theirs, which interrupts what they wait for.
   */
  releaseMemory(stacks: boolean): void;
  /** Has the kernel give this process no transparent huge pages any more. What it spawns or executes gets them as ever. */
  refuseHugePages(): void;
  /**
   * Calls back in the event loop while `fd` is readable or at its end. The descriptor must stay open until `close`. Where it
   * was armed (`Poll.arm`), with what was read, and with what was started.
   */
  poll(fd: number, callback: (status: number, bytes?: Buffer, successor?: Successor) => void): Poll;
  /** For `ArmOptions`: what must be in its place, by `fileIds`, for the mounts behind a descriptor to be good. */
  guardStage(mounts: number, paths: readonly string[], ids: Uint8Array): StageGuard;
  /** Makes a network namespace pinned by a bind mount on the existing file `path`. @returns its descriptor. */
  makeNetns(path: string): number;
  /** A socket (SOCK_CLOEXEC) inside the namespace behind `netns`. */
  socketInNetns(netns: number, domain: number, type: number, protocol: number): number;
  /**
   * A non-blocking datagram socket for sd_notify(3), bound to `name` in `directory` (no symlink is followed), of this mode,
   * owner and group from its first moment on. Replaces what was there by that name. The directory is one that only root writes.
   */
  notifySocket(directory: string, name: string, mode: number, uid: number, gid: number): number;
  /** The next message of such a socket, or null. All descriptors are the caller's, and closed when a program is executed. */
  receiveNotification(fd: number): RawNotification | null;
  /** Whether both are of the same open file. */
  isSameFile(left: number, right: number): boolean;
  /** Whether the other end of a pipe or connection is gone. */
  hasHungUp(fd: number): boolean;
  /** Becomes another program, in the network namespace behind `netns`; returns only by an error. */
  execInNetns(netns: number, file: string, argv: readonly string[], environment: readonly string[]): void;
  /**
   * Becomes another program that keeps process id, children and these descriptors by their numbers; returns only by an error,
   * after which this process is as it was.
   */
  execProgram(file: string, argv: readonly string[], environment: readonly string[], keep: readonly number[]): void;
  /** FD_CLOEXEC, which descriptors that came by `execProgram` have not. */
  closeOnExec(fd: number): void;
  /** Starts metactl-init in new namespaces, or in those of `target`; blocks until its first instruction. */
  spawn(options: SpawnOptions): Spawned;
  /**
   * The same on a thread that does one launch after the other. All descriptors but `stage` stay open until the callback, which
   * gets the error or null. @param cgroup is made first, and goes into the options' place, which have none then.
   */
  spawnSoon(
    options: SpawnOptions,
    cgroup: CgroupRequest | undefined,
    done: (error: Error | null, spawned: Spawned & Partial<MadeCgroup>) => void,
  ): void;
  /** An anonymous file that nobody can change any more. */
  sealedMemfd(name: string, bytes: Uint8Array, executable: boolean): number;
  /** What tells one file, directory or mount from every other, for each path; zeroes where nothing is. */
  fileIds(paths: readonly string[]): Uint8Array;
  /**
   * Sets numbers aside for handing descriptors to children. Once a process has hundreds of them open, launches then stay
   * as fast as with few; so call it early, while low numbers are free.
   */
  reserveDescriptors(): void;
  /** Whether this kernel has open_tree, move_mount and mount_setattr (Linux 5.12). */
  hasMountApi(): boolean;
  /** pipe2(O_CLOEXEC). */
  pipe(nonblockingRead: boolean): { read: number; write: number };
  /** LogHost's `frame`; `result` gets the bytes taken and made. */
  frameLines(
    input: Uint8Array,
    output: Uint8Array,
    at: number,
    head: Uint8Array,
    mark: number,
    longest: number,
    last: number,
    result: Float64Array,
  ): void;
  /** A datagram socket that is connected to the one at `path`, or with the abstract name `@…`. */
  connectDatagram(path: string): number;
  /**
   * getaddrinfo(3) in a thread of its own, which neither keeps the process running nor one of libuv's threads. `error` is 0
   * or an EAI_ number, `errno` what EAI_SYSTEM stands for. Addresses have no zone.
   */
  lookUp(name: string, callback: (error: number, errno: number, addresses: readonly string[]) => void): void;
  /** LogSocket's `send`, in a thread; the callback gets bytes and an errno or 0. */
  sendLines(fd: number, envelope: Envelope, lines: Uint8Array, callback: (done: number, errno: number) => void): void;
}

export interface SpawnOptions {
  readonly init: number;
  readonly plan: number;
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  readonly liveness: number;
  /** pidfd of the sandbox to join. */
  readonly target?: number;
  readonly netns?: number;
  /** The user namespace that the daemon enters. */
  readonly user?: number;
  /** A user namespace whose maps idmapped binds get. */
  readonly idmap?: number;
  /** The daemon gets it by the number that the plan says. */
  readonly ready?: number;
  readonly tasks: readonly number[];
  /** The daemon gets them from 3 on, if the plan says how many there are. */
  readonly stored?: readonly number[];
  readonly cgroup?: number;
  /** New PID, IPC, UTS and cgroup namespaces. */
  readonly isolated: boolean;
  /** What a spare waits at before it enters `tasks` and starts the daemon: an OrderRecord of native/protocol.h. */
  readonly order?: number;
  /** A new mount namespace: a copy of this process's, or of `stage` where that is given. */
  readonly newMounts: boolean;
  readonly stage?: number;
  /** Host mounts to hand over; only together with `stage`. */
  readonly trees?: readonly TreeSource[];
  /** A new, empty network namespace. */
  readonly newNetwork: boolean;
  /** Shown by `ps` behind `metactl-init`. */
  readonly title: string;
}

/** Prepared mounts, until they are closed. */
export interface StageGuard {
  readonly guard: object;
  /** They are not used from now on. */
  close(): void;
}

/** A launch made ready in advance, of another run of the daemon whose status pipe is polled. */
export interface ArmOptions {
  /** `stage` is the guard's; `stdout`, `stderr` and `ready` are replaced by pipes made at that moment. */
  readonly spawn: SpawnOptions;
  readonly guard: object;
  readonly tellsReady: boolean;
  /** Owner of the pipes. */
  readonly uid: number;
  readonly gid: number;
  /** See Anticipation. */
  readonly endings: Uint8Array;
  /** Milliseconds from now: nothing is started before. */
  readonly delay: number;
  /** cgroup.procs of the daemon: nothing may be left in there but metactl-init. */
  readonly processes: string;
  /** That metactl-init's. */
  readonly pid: number;
  /** Gets the order where it is there and good; else one is started. */
  readonly spare?: NativeSpare;
}

/** A launch that waits. Given the order, it is the successor: `pid` tells, and all but `order` is the successor's. */
export interface NativeSpare extends Successor {
  /** Write end. */
  readonly order: number;
  /** `StageGuard.guard` of what was bound from the host. */
  readonly sources: object;
}

/** What was started at a daemon's end. `stdout`, `stderr` and `ready` are non-blocking read ends. */
export interface Successor extends Spawned {
  readonly stdout: number;
  readonly stderr: number;
  readonly ready?: number;
}

/** A running metactl-init. `error` and `status` are non-blocking read ends; all descriptors are the caller's. */
export interface Spawned {
  readonly pid: number;
  readonly pidfd: number;
  readonly error: number;
  readonly status: number;
}

/** A daemon's cgroup where nothing of it is there yet, but its parents are. Absolute paths; see native/cgroup.h. */
export interface CgroupRequest {
  readonly absent: readonly string[];
  readonly v1: readonly string[];
  /** Empty for none. */
  readonly v2: string;
  readonly filled: readonly string[];
  readonly controllers: readonly string[];
  readonly writes: readonly { readonly file: string; readonly value: string; readonly optional: boolean }[];
}

/** Descriptors, the caller's: v1's `tasks` files, and the directory in the v2 tree. */
export interface MadeCgroup {
  readonly tasks: readonly number[];
  readonly directory?: number;
}

export interface RawNotification {
  readonly text: Buffer;
  /** Of the sender, as this process sees it; 0 where the kernel told none. */
  readonly pid: number;
  readonly uid: number;
  /** Of the sender; since Linux 6.5. */
  readonly pidfd: number | undefined;
  readonly fds: readonly number[];
  /** Longer than 4096 bytes: the rest is lost. */
  readonly oversized: boolean;
  /** Descriptors were lost: too many, or no room for them in this process. */
  readonly incomplete: boolean;
}

export interface ChildEnd {
  readonly code: number | undefined;
  readonly signal: number | undefined;
  readonly coreDumped: boolean;
}

export interface Poll {
  close(): void;
  /** False: this poll alone does not keep the process running. */
  setAlive(alive: boolean): void;
  /** True: calls back also while the descriptor can be written to. */
  setWriting(writing: boolean): void;
  /** Of a status pipe: what is to be started, once, before the callback is called for the end of the daemon. Undefined: nothing. */
  arm(options: ArmOptions | undefined): void;
}

let loaded: Addon | undefined;

/** The addon, loaded at first use. @throws MetactlError METACTL_NO_NATIVE where it is not built. */
export function addon(): Addon {
  loaded ??= load();
  return loaded;
}

/**
 * Directories that may hold `metactl.node` and `metactl-init`: fixed places relative to this file, whether it runs
 * from source (`src/host/linux`) or from the bundle (`dist`). Nothing in the environment moves them: what is loaded
 * here runs as root.
 */
export function nativeDirectories(): readonly string[] {
  const here = import.meta.dirname;
  const source = join('src', 'host', 'linux');
  const root = here.endsWith(source) ? here.slice(0, -source.length) : dirname(here);
  return [join(root, 'build', 'Release')];
}

function load(): Addon {
  const tried: string[] = [];
  for (const directory of nativeDirectories()) {
    const path = join(directory, 'metactl.node');
    tried.push(path);
    if (!existsSync(path)) continue;
    // `require` would look for a package around it first, which takes longer than to load it.
    const module: { exports: unknown } = { exports: {} };
    process.dlopen(module, path);
    const found = module.exports as Addon & { initialize(errorClass: typeof MetactlError): void };
    found.initialize(MetactlError);
    return found;
  }
  throw new MetactlError(`the native part of metactl isn't there: tried ${tried.join(', ')}`, {
    code: 'METACTL_NO_NATIVE',
    step: 'load native part',
    hint: 'build it with `npm run build:native`',
  });
}
