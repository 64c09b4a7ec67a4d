import type { Readable } from 'node:stream';
import type { Anticipation } from '../anticipation.ts';
import type { DaemonSandbox, Ending, Sandbox } from '../host.ts';
import type { DaemonCgroup } from './cgroup/index.ts';
import type { NextRun } from './next-run.ts';

/** A sandbox whose end includes that of everything in its cgroup. */
export class LimitedSandbox implements DaemonSandbox {
  readonly #sandbox: Sandbox;
  readonly #cgroup: DaemonCgroup;
  readonly #next: NextRun;
  #isOver = false;
  readonly pid: number;
  readonly stdout: Sandbox['stdout'];
  readonly stderr: Sandbox['stderr'];
  readonly ready?: Readable;
  readonly started: Promise<void>;
  readonly over: Promise<Ending>;
  readonly ended: Promise<Ending>;

  constructor(
    sandbox: Sandbox,
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
    this.ended = ended;
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
    // The cgroup may be the next one's by then.
    if (!this.#isOver) this.#cgroup.kill();
  }
}
