import { closeSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { RootPlan } from '../../sandbox/plan.ts';
import type { Descriptor } from '../handover.ts';
import type { Ending, Sandbox } from '../host.ts';
import { type ArmOptions, addon, type ChildEnd, type Poll, type Spawned, type Successor } from './addon.ts';
import { diedWhileBuilding, launchError } from './launch-error.ts';
import type { PrivateLiveness } from './native-files.ts';
import { type ErrorRecord, readErrorRecord, readStatusRecords, type StatusRecord } from './records.ts';
import type { Spare } from './spare.ts';
import type { OpenStream, OpenStreams } from './stdio.ts';

/** A sandbox whose daemon's end is known a little before its own. */
export interface LaunchedSandbox extends Sandbox {
  /** Resolves as soon as PID 1 tells how the daemon ended; what else ran inside may still be dying. Never rejects. */
  readonly daemonEnded: Promise<Ending>;
  /** The daemon's own pid as PID 1 sees it: a host pid where there is no PID namespace. Undefined until `started`. */
  readonly daemonPid: number | undefined;
  /** Nothing but its first process ends what the daemon leaves, whose child that becomes: no PID namespace does. `kill` asks it to. */
  readonly collects: boolean;
  /** Makes its successor ready, or gives that up; see Poll. */
  arm(options: Omit<ArmOptions, 'pid' | 'spare'> | undefined, spare?: Spare): void;
  /** What was started when the daemon ended. It is the caller's, once. */
  takeSuccessor(): Successor | undefined;
  readonly hasSuccessor: boolean;
  /**
   * What the process that takes this one's place needs to follow it. Undefined where it is ending, or could not be started:
   * soon there will be nothing to hand over.
   */
  handOver(): HandedSandbox | undefined;
}

export interface HandedSandbox {
  readonly spawned: FollowedProcess;
  readonly stdout: Descriptor | undefined;
  readonly stderr: Descriptor | undefined;
  readonly ready: Descriptor | undefined;
  readonly liveness: Descriptor | undefined;
  readonly daemonPid: number | undefined;
}

/** As `Spawned`; `error` is -1 where its end has come already: the daemon was executed. */
export type FollowedProcess = Pick<Spawned, 'pid'> & Readonly<Record<'pidfd' | 'error' | 'status', Descriptor>>;

export interface WatchOptions extends OpenStreams {
  readonly leftOut: RootPlan['leftOut'];
  /** Asked once, when the daemon has ended. */
  readonly oomKilled: () => boolean;
  /** Ends everything, where SIGKILL to the first process is not the way. Ended in any case when all is over. */
  readonly liveness?: PrivateLiveness;
  /** Of one that is taken over. */
  readonly daemonPid?: number;
}

/** Milliseconds that a daemon takes to start again. */
const HEAD_START = 2;

const SIGKILL = 9;
/** PIPE_BUF: no record is larger. */
const RECORD_LIMIT = 4096;

/** Follows a spawned metactl-init from its exec-error pipe, its status pipe and its pidfd to its end. */
export function watchSandbox(spawned: Spawned | FollowedProcess, options: WatchOptions): LaunchedSandbox {
  const number = (one: number | Descriptor) => (typeof one === 'number' ? one : one.fd);
  const { pid, pidfd, error, status } = spawned;
  return new WatchedSandbox({ pid, pidfd: number(pidfd), error: number(error), status: number(status) }, options);
}

type Ended = Extract<StatusRecord, { kind: 'ended' }>;

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

/** A watched descriptor that is closed once, and not read after that. */
class Watched {
  readonly fd: number;
  readonly #onReady: (bytes?: Buffer, successor?: Successor) => void;
  #poll: Poll | undefined;
  #open: boolean;

  /** @param fd -1: closed from the beginning. */
  constructor(fd: number, onReady: (bytes?: Buffer, successor?: Successor) => void) {
    this.fd = fd;
    this.#onReady = onReady;
    this.#open = fd >= 0;
    this.watch();
  }

  watch(): void {
    if (!this.#open) return;
    this.#poll ??= addon().poll(this.fd, (_status, bytes, successor) => {
      if (this.#open) this.#onReady(bytes, successor);
    });
  }

  pause(): void {
    this.#poll?.close();
    this.#poll = undefined;
  }

  arm(options: ArmOptions | undefined): void {
    this.#poll?.arm(options);
  }

  /** Empty at the pipe's end, undefined where there is nothing yet (or no more). */
  read(): Buffer | undefined {
    return this.#open ? readAvailable(this.fd) : undefined;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#poll?.close();
    closeSync(this.fd);
  }

  /** By its number, -1 where it is closed. */
  handOver(): Descriptor {
    return { fd: this.#open ? this.fd : -1 };
  }
}

class WatchedSandbox implements LaunchedSandbox {
  readonly pid: number;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly ready?: Readable;
  readonly #options: WatchOptions;
  readonly #started = deferred<void>();
  readonly #daemonEnded = deferred<Ending>();
  readonly #ended = deferred<Ending>();
  readonly #error: Watched;
  readonly #status: Watched;
  readonly #pidfd: Watched;
  #daemonPid: number | undefined;
  #failure: ErrorRecord | undefined;
  #record: Ended | undefined;
  #ending: Ending | undefined;
  #gone = false;
  #successor: Successor | undefined;
  #spare: Spare | undefined;

  constructor(spawned: Spawned, options: WatchOptions) {
    this.pid = spawned.pid;
    this.stdout = options.stdout?.stream;
    this.stderr = options.stderr?.stream;
    if (options.ready !== undefined) this.ready = options.ready.stream;
    this.#options = options;
    this.#daemonPid = options.daemonPid;
    this.#error = new Watched(spawned.error, () => this.#readError());
    this.#status = new Watched(spawned.status, (bytes, successor) => {
      if (successor === undefined) this.#readStatus(bytes);
      else this.#succeeded(successor, bytes!);
    });
    this.#pidfd = new Watched(spawned.pidfd, () => this.#reap());
    // Whoever does not wait for the start learns about its failure from `ended`.
    this.#started.promise.catch(() => {});
    if (spawned.error < 0) this.#started.resolve();
  }

  get started(): Promise<void> {
    return this.#started.promise;
  }

  get daemonEnded(): Promise<Ending> {
    return this.#daemonEnded.promise;
  }

  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  get daemonPid(): number | undefined {
    return this.#daemonPid;
  }

  get collects(): boolean {
    return this.#options.liveness !== undefined;
  }

  signal(signal: number): void {
    if (!this.#gone) addon().pidfdSendSignal(this.#pidfd.fd, signal);
  }

  kill(): void {
    if (this.#gone) return;
    if (this.#options.liveness !== undefined) this.#options.liveness.end();
    else addon().pidfdSendSignal(this.#pidfd.fd, SIGKILL);
  }

  arm(options: Omit<ArmOptions, 'pid' | 'spare'> | undefined, spare?: Spare): void {
    if (this.#gone) return;
    this.#spare = spare;
    const prepared = spare === undefined ? {} : { spare: spare.native };
    this.#status.arm(options === undefined ? undefined : { ...options, pid: this.pid, ...prepared });
  }

  takeSuccessor(): Successor | undefined {
    const successor = this.#successor;
    this.#successor = undefined;
    return successor;
  }

  get hasSuccessor(): boolean {
    return this.#successor !== undefined;
  }

  handOver(): HandedSandbox | undefined {
    if (this.#gone || this.hasSuccessor || this.#record !== undefined || this.#failure !== undefined) return undefined;
    const { stdout, stderr, ready, liveness } = this.#options;
    if (liveness !== undefined && liveness.write === undefined) return undefined;
    const [pidfd, error, status] = [this.#pidfd, this.#error, this.#status].map((one) => one.handOver());
    return {
      spawned: { pid: this.pid, pidfd: pidfd!, error: error!, status: status! },
      stdout: descriptorOf(stdout),
      stderr: descriptorOf(stderr),
      ready: descriptorOf(ready),
      liveness: liveness?.write === undefined ? undefined : { fd: liveness.write },
      daemonPid: this.#daemonPid,
    };
  }

  /** A record says what failed. The end without one says "executed", if PID 1 had come as far as to say it is ready. */
  #readError(): void {
    const bytes = this.#error.read();
    if (bytes === undefined) return;
    this.#error.close();
    this.#failure = readErrorRecord(bytes);
    this.#readStatus();
    if (this.#failure !== undefined) this.#started.reject(launchError(this.#failure, this.#options.leftOut));
    else if (this.#daemonPid !== undefined) this.#started.resolve();
    else this.#started.reject(diedWhileBuilding());
  }

  /** Nobody hears of it for a moment: with few CPUs, whoever keeps books now keeps the successor from starting. */
  #succeeded(successor: Successor, bytes: Buffer): void {
    this.#successor = successor;
    this.#spare?.takeIf(successor.pid);
    const pidfd = this.#pidfd;
    pidfd.pause();
    setTimeout(() => {
      this.#readStatus(bytes);
      pidfd.watch();
    }, HEAD_START);
  }

  /** @param bytes what has been read of it already. */
  #readStatus(bytes = this.#status.read()): void {
    if (bytes === undefined) return;
    if (bytes.length === 0) this.#status.close();
    for (const record of readStatusRecords(bytes)) {
      if (record.kind === 'running') {
        this.#daemonPid = record.pid;
        continue;
      }
      this.#record = record;
      // Whether the program was executed is known by now, and comes first.
      this.#readError();
      this.#ending = this.#endingBy(undefined);
      this.#daemonEnded.resolve(this.#ending);
      // Nothing comes after it, and PID 1 waits for this a moment.
      this.#status.close();
    }
  }

  #reap(): void {
    const end = addon().waitPidfd(this.#pidfd.fd);
    if (end === null) return;
    this.#gone = true;
    this.#readStatus();
    this.#readError();
    for (const watched of [this.#error, this.#status, this.#pidfd]) watched.close();
    this.#options.liveness?.end();
    // Told once is told for good: by now its cgroup may count what happens to its successor.
    this.#ending ??= this.#endingBy(end);
    this.#daemonEnded.resolve(this.#ending);
    this.#ended.resolve(this.#ending);
  }

  /** From PID 1's record; without one, from how PID 1 itself ended. */
  #endingBy(end: ChildEnd | undefined): Ending {
    const oomKilled = this.#options.oomKilled();
    if (this.#record !== undefined) {
      const { kind, ...record } = this.#record;
      return { ...record, oomKilled, sandboxDied: false };
    }
    return {
      code: this.#failure?.exitStatus ?? end?.code,
      signal: this.#failure === undefined ? end?.signal : undefined,
      coreDumped: end?.coreDumped ?? false,
      oomKilled,
      sandboxDied: this.#failure === undefined,
      userTime: 0,
      systemTime: 0,
      maxRss: 0,
    };
  }
}

function descriptorOf(one: OpenStream | undefined): Descriptor | undefined {
  return one === undefined || one.stream.destroyed ? undefined : { fd: one.fd };
}

/** Records are taken out of it before the next are read. */
const buffer = Buffer.allocUnsafeSlow(RECORD_LIMIT);

/** What a non-blocking pipe holds now: empty at its end, undefined where nothing is there yet. */
function readAvailable(fd: number): Buffer | undefined {
  try {
    return buffer.subarray(0, readSync(fd, buffer, 0, RECORD_LIMIT, null));
  } catch (error) {
    if ((error as { code?: string }).code === 'EAGAIN') return undefined;
    throw error;
  }
}
