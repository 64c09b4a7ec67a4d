import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { Anticipation } from '../anticipation.ts';
import type { StdioPlan } from '../host.ts';
import type { ArmOptions } from './addon.ts';
import type { DaemonCgroup } from './cgroup/index.ts';
import { makeSpare, type Spare } from './spare.ts';
import type { LaunchedSandbox } from './watch.ts';
import { whenCalm } from './when-calm.ts';

/** One start of a daemon. */
export interface Run {
  readonly plan: SandboxPlan;
  readonly cgroup: DaemonCgroup;
  readonly io: StdioPlan;
  /** How often the kernel had killed in its cgroup before. */
  readonly killsBefore: number;
}

/** All of a launch but when it may happen, and after which end. */
export interface ReadyLaunch extends Omit<ArmOptions, 'pid' | 'delay' | 'endings' | 'spare'> {
  /** See Spare. */
  readonly canWait: boolean;
}

/** Milliseconds before its time at which a spare is made: of a daemon that ends all the time none is. */
const BEFORE = 500;

/**
 * What follows a sandbox at the moment in which its daemon ends: armed as soon as both are there, what a launch needs and
 * whoever decides allowing it, and disarmed in the turn in which that is taken back. A moment later all of it but the daemon's
 * process is made, too.
 */
export class NextRun {
  readonly #sandbox: Pick<LaunchedSandbox, 'arm'>;
  #allowed: { readonly from: number; readonly endings: Uint8Array } | undefined;
  #ready: (() => ReadyLaunch | undefined) | undefined;
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Not yet gone, nor taken. */
  readonly #unended = new Set<Spare>();

  constructor(sandbox: Pick<LaunchedSandbox, 'arm'>) {
    this.#sandbox = sandbox;
  }

  anticipate(what: Anticipation | undefined): void {
    this.#allowed = what === undefined ? undefined : { from: performance.now() + what.delay, endings: what.endings };
    this.#arm();
  }

  /** @param make asked whenever it is armed; undefined: it can't be begun in advance. */
  prepared(make: () => ReadyLaunch | undefined): void {
    this.#ready = make;
    this.#arm();
  }

  /** The daemon has ended. @returns when nothing is left of what was made in advance and not taken. */
  async end(): Promise<void> {
    this.#ready = undefined;
    this.#allowed = undefined;
    this.#drop();
    await Promise.all([...this.#unended].map(({ gone }) => gone));
  }

  /** Whether nothing is left of what was dropped; waits a moment, blocking. */
  settle(): boolean {
    return [...this.#unended].every((spare) => spare.settle());
  }

  #arm(): void {
    const launch = this.#allowed === undefined ? undefined : this.#ready?.();
    if (launch === undefined || this.#allowed === undefined) {
      if (this.#ready !== undefined) this.#sandbox.arm(undefined);
      this.#drop();
      return;
    }
    const { from } = this.#allowed;
    if (this.#spare !== undefined && this.#spare.guard !== launch.guard) this.#drop();
    this.#armWith(launch, this.#allowed);
    if (this.#spare !== undefined || this.#timer !== undefined || !launch.canWait) return;
    this.#timer = setTimeout(() => whenCalm(this, async () => this.#makeSpare()), from - performance.now() - BEFORE);
    this.#timer.unref();
  }

  #armWith(launch: ReadyLaunch, { from, endings }: { readonly from: number; readonly endings: Uint8Array }): void {
    const delay = Math.ceil(Math.max(from - performance.now(), 0));
    this.#sandbox.arm({ ...launch, endings, delay }, this.#spare);
  }

  #makeSpare(): void {
    const launch = this.#allowed === undefined || this.#spare !== undefined ? undefined : this.#ready?.();
    if (launch === undefined || this.#allowed === undefined || !launch.canWait) return;
    // Where it ends by itself, the next run is begun as without one; another would end in the same way.
    const spare = makeSpare(launch, () => {
      if (this.#spare !== spare) return;
      this.#spare = undefined;
      this.#arm();
    });
    this.#spare = spare;
    this.#unended.add(spare);
    void spare.gone.then(() => this.#unended.delete(spare));
    this.#armWith(launch, this.#allowed);
  }

  /** Only when nothing is armed with it. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#spare?.drop();
    this.#spare = undefined;
  }
}
