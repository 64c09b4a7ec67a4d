import type { SandboxPlan } from '../../sandbox/plan.ts';
import type { Anticipation } from '../anticipation.ts';
import type { StdioPlan } from '../host.ts';
import type { ArmOptions } from './addon.ts';
import type { DaemonCgroup } from './cgroup/index.ts';
import type { LaunchedSandbox } from './watch.ts';

/** One start of a daemon. */
export interface Run {
  readonly plan: SandboxPlan;
  readonly cgroup: DaemonCgroup;
  readonly io: StdioPlan;
  /** How often the kernel had killed in its cgroup before. */
  readonly killsBefore: number;
}

/** All of a launch but when it may happen, and after which end. */
export type ReadyLaunch = Omit<ArmOptions, 'pid' | 'delay' | 'endings'>;

/**
 * What follows a sandbox at the moment in which its daemon ends: armed as soon as both are there, what a launch needs and
 * whoever decides allowing it, and disarmed in the turn in which that is taken back.
 */
export class NextRun {
  readonly #sandbox: Pick<LaunchedSandbox, 'arm'>;
  #allowed: { readonly from: number; readonly endings: Uint8Array } | undefined;
  #ready: (() => ReadyLaunch | undefined) | undefined;

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

  #arm(): void {
    const launch = this.#allowed === undefined ? undefined : this.#ready?.();
    if (launch === undefined || this.#allowed === undefined) {
      if (this.#ready !== undefined) this.#sandbox.arm(undefined);
      return;
    }
    const { from, endings } = this.#allowed;
    this.#sandbox.arm({ ...launch, endings, delay: Math.ceil(Math.max(from - performance.now(), 0)) });
  }
}
