import type { Readable } from 'node:stream';
import type { Anticipation } from '../anticipation.ts';
import type { DaemonSandbox, Ending } from '../host.ts';
import type { DaemonCgroup } from './cgroup/index.ts';
import type { NextRun } from './next-run.ts';
import type { LaunchedSandbox } from './watch.ts';

const SIGKILL = 9;
/** Milliseconds that metactl-init may take to end what it has collected. It takes one or two. */
const COLLECTION_TIME = 1000;

type Launched = Pick<LaunchedSandbox, 'pid' | 'stdout' | 'stderr' | 'ready' | 'collects' | 'signal' | 'kill'>;

/** A sandbox whose end includes that of everything in its cgroup. */
export class LimitedSandbox implements DaemonSandbox {
  readonly #sandbox: Launched;
  readonly #cgroup: DaemonCgroup;
  readonly #next: NextRun;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  readonly pid: number;
  readonly stdout: LaunchedSandbox['stdout'];
  readonly stderr: LaunchedSandbox['stderr'];
  readonly ready?: Readable;
  readonly started: Promise<void>;
  readonly over: Promise<Ending>;
  readonly ended: Promise<Ending>;

  constructor(
    sandbox: Launched,
    cgroup: DaemonCgroup,
    next: NextRun,
    { started, over, ended }: Pick<DaemonSandbox, 'started' | 'over' | 'ended'>,
  ) {
    this.#sandbox = sandbox;
    this.#cgroup = cgroup;
    this.#next = next;
    this.pid = sandbox.pid;
    this.stdout = sandbox.stdout;
    this.stderr = sandbox.stderr;
    if (sandbox.ready !== undefined) this.ready = sandbox.ready;
    this.started = started;
    this.ended = ended.finally(() => clearTimeout(this.#timer));
    this.over = over.then((ending) => {
      this.#isOver = true;
      return ending;
    });
  }

  signal(signal: number): void {
    this.#sandbox.signal(signal);
  }

  anticipate(what: Anticipation | undefined): void {
    this.#next.anticipate(what);
  }

  kill(): void {
    this.#sandbox.kill();
    if (!this.#sandbox.collects) this.#sweep();
    // It is in the cgroup itself. What has left that is its child, and would be nobody's.
    else this.#timer ??= setTimeout(() => this.#giveUp(), COLLECTION_TIME);
  }

  /** metactl-init is stopped, or one of its children does not die. */
  #giveUp(): void {
    this.#sweep();
    this.#sandbox.signal(SIGKILL);
  }

  #sweep(): void {
    // The cgroup may be the next one's by then.
    if (!this.#isOver) this.#cgroup.kill();
  }
}
