import type { AppHandle, Ending, Sandbox, StdioPlan } from '../host/host.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { decide, exitStatusOf, isFailure, type RestartSettings } from './restart-policy.ts';
import type { StopSettings } from './settings.ts';

/** What happens to a daemon, for whoever shows or records it. */
export type DaemonEvent =
  | { readonly type: 'starting' }
  | { readonly type: 'running'; readonly pid: number }
  | {
      readonly type: 'ended';
      readonly ending: Ending;
      readonly status: number;
      readonly failed: boolean;
      /** Which call the filter killed it for, where the kernel tells. */
      readonly killedFor: string | undefined;
    }
  | { readonly type: 'backoff'; readonly delay: number; readonly restarts: number }
  | { readonly type: 'start-failed'; readonly error: Error };

/** Where the output of one start goes. */
export interface StartOutput {
  readonly io: StdioPlan;
  readonly attach: (sandbox: Sandbox) => void;
}

export interface RunnerOptions {
  readonly plan: SandboxPlan;
  readonly app: AppHandle;
  /** Asked before each start: where its output goes, and who is told of the sandbox before its first instruction. */
  readonly output: () => StartOutput;
  readonly restart: RestartSettings;
  readonly stop: StopSettings;
  /** Asked after a death by SIGSYS: the name of the call, made since then (milliseconds since the epoch). */
  readonly killedFor?: (since: number) => Promise<string | undefined>;
  readonly onEvent: (event: DaemonEvent) => void;
}

const SIGTERM = 15;
const SIGSYS = 31;

/** Keeps one daemon running by its restart policy until it ends for good or is stopped. */
export class DaemonRunner {
  readonly #options: RunnerOptions;
  #sandbox: Sandbox | undefined;
  #stopSignal: number | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /**
   * Runs until the end. @returns the last run's exit status as a shell would give it.
   * @throws MetactlError where the very first start fails: a sandbox that can't be built does not start.
   */
  async run(): Promise<number> {
    let failures = 0;
    for (let restarts = 0; ; restarts++) {
      const { status, ending, uptime } = await this.#runOnce(restarts === 0);
      if (this.#stopSignal !== undefined) return status;
      const { restart } = this.#options;
      if (uptime >= restart.restartResetSec) failures = 0;
      const decision = decide(ending, restart, failures, uptime, Math.random());
      if (decision.action === 'end') return status;
      failures++;
      this.#options.onEvent({ type: 'backoff', delay: decision.delay, restarts: restarts + 1 });
      if (decision.delay > 0) await this.#sleep(decision.delay);
      if (this.#stopSignal !== undefined) return status;
    }
  }

  /** Asks the daemon to end; SIGKILL for everything in its sandbox after the stop timeout. A second call kills at once. */
  stop(signal: number = SIGTERM): void {
    if (this.#stopSignal !== undefined) {
      this.#sandbox?.kill();
      return;
    }
    this.#stopSignal = signal;
    this.#wake?.();
    if (this.#sandbox !== undefined) this.#askToEnd(this.#sandbox);
  }

  /** Hands a signal on to the daemon. */
  signal(signal: number): void {
    this.#sandbox?.signal(signal);
  }

  #askToEnd(sandbox: Sandbox): void {
    const { stop } = this.#options;
    sandbox.signal(stop.killSignal ?? this.#stopSignal ?? SIGTERM);
    if (Number.isFinite(stop.timeout)) this.#killTimer = setTimeout(() => sandbox.kill(), stop.timeout);
  }

  async #runOnce(first: boolean): Promise<{ status: number; ending: Ending; uptime: number }> {
    const { app, plan, onEvent, restart } = this.#options;
    const output = this.#options.output();
    onEvent({ type: 'starting' });
    const startedAt = performance.now();
    const since = Date.now();
    try {
      const sandbox = await app.start(plan, output.io);
      this.#sandbox = sandbox;
      output.attach(sandbox);
      // A stop that came while the sandbox was being made.
      if (this.#stopSignal !== undefined) this.#askToEnd(sandbox);
      await sandbox.started;
      onEvent({ type: 'running', pid: sandbox.pid });
      const ending = await sandbox.ended;
      const status = exitStatusOf(ending);
      const uptime = performance.now() - startedAt;
      const killedFor = ending.signal === SIGSYS ? await this.#options.killedFor?.(since) : undefined;
      onEvent({ type: 'ended', ending, status, failed: isFailure(ending, restart), killedFor });
      return { status, ending, uptime };
    } catch (error) {
      // Whatever failed after the spawn: nothing of it may go on unseen beside the next one.
      this.#sandbox?.kill();
      await this.#sandbox?.ended;
      if (first) throw error;
      onEvent({ type: 'start-failed', error: error as Error });
      return { status: 125, ending: NEVER_STARTED, uptime: 0 };
    } finally {
      clearTimeout(this.#killTimer);
      this.#sandbox = undefined;
    }
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Stands for a restart whose sandbox could not be made: a failure to be backed off from like any other. */
const NEVER_STARTED: Ending = {
  code: 125,
  signal: undefined,
  coreDumped: false,
  oomKilled: false,
  sandboxDied: false,
  userTime: 0,
  systemTime: 0,
  maxRss: 0,
};
