import { closeSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { RootPlan } from '../../sandbox/plan.ts';
import type { Ending, Sandbox } from '../host.ts';
import { addon, type ChildEnd, type Poll, type Spawned } from './addon.ts';
import { diedWhileBuilding, launchError } from './launch-error.ts';
import { type ErrorRecord, readErrorRecord, readStatusRecords, type StatusRecord } from './records.ts';

/** A sandbox whose daemon's end is known a little before its own. */
export interface LaunchedSandbox extends Sandbox {
  /** Resolves as soon as PID 1 tells how the daemon ended; what else ran inside may still be dying. Never rejects. */
  readonly daemonEnded: Promise<Ending>;
  /** The daemon's own pid as PID 1 sees it: a host pid where there is no PID namespace. Undefined until `started`. */
  readonly daemonPid: number | undefined;
}

export interface WatchOptions {
  readonly leftOut: RootPlan['leftOut'];
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  readonly ready?: Readable | undefined;
  /** Asked when the daemon has ended and when the sandbox is gone. */
  readonly oomKilled: () => boolean;
  /** How to end everything, where SIGKILL to the first process is not it. Called in any case when all is over. */
  readonly end?: () => void;
}

const SIGKILL = 9;
/** PIPE_BUF: no record is larger. */
const RECORD_LIMIT = 4096;

/** Follows a spawned metactl-init from its exec-error pipe, its status pipe and its pidfd to its end. */
export function watchSandbox(spawned: Spawned, options: WatchOptions): LaunchedSandbox {
  return new WatchedSandbox(spawned, options);
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
  readonly #poll: Poll;
  #open = true;

  constructor(fd: number, onReady: () => void) {
    this.fd = fd;
    this.#poll = addon().poll(fd, () => {
      if (this.#open) onReady();
    });
  }

  /** Empty at the pipe's end, undefined where there is nothing yet (or no more). */
  read(): Buffer | undefined {
    return this.#open ? readAvailable(this.fd) : undefined;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#poll.close();
    closeSync(this.fd);
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
  #gone = false;

  constructor(spawned: Spawned, options: WatchOptions) {
    this.pid = spawned.pid;
    this.stdout = options.stdout;
    this.stderr = options.stderr;
    if (options.ready !== undefined) this.ready = options.ready;
    this.#options = options;
    this.#error = new Watched(spawned.error, () => this.#readError());
    this.#status = new Watched(spawned.status, () => this.#readStatus());
    this.#pidfd = new Watched(spawned.pidfd, () => this.#reap());
    // Whoever does not wait for the start learns about its failure from `ended`.
    this.#started.promise.catch(() => {});
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

  signal(signal: number): void {
    if (!this.#gone) addon().pidfdSendSignal(this.#pidfd.fd, signal);
  }

  kill(): void {
    if (this.#gone) return;
    if (this.#options.end !== undefined) this.#options.end();
    else addon().pidfdSendSignal(this.#pidfd.fd, SIGKILL);
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

  #readStatus(): void {
    const bytes = this.#status.read();
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
      this.#daemonEnded.resolve(this.#ending(undefined));
    }
  }

  #reap(): void {
    const end = addon().waitPidfd(this.#pidfd.fd);
    if (end === null) return;
    this.#gone = true;
    this.#readStatus();
    this.#readError();
    for (const watched of [this.#error, this.#status, this.#pidfd]) watched.close();
    this.#options.end?.();
    const ending = this.#ending(end);
    this.#daemonEnded.resolve(ending);
    this.#ended.resolve(ending);
  }

  /** From PID 1's record; without one, from how PID 1 itself ended. */
  #ending(end: ChildEnd | undefined): Ending {
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

/** What a non-blocking pipe holds now: empty at its end, undefined where nothing is there yet. */
function readAvailable(fd: number): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(RECORD_LIMIT);
  try {
    return buffer.subarray(0, readSync(fd, buffer, 0, RECORD_LIMIT, null));
  } catch (error) {
    if ((error as { code?: string }).code === 'EAGAIN') return undefined;
    throw error;
  }
}
