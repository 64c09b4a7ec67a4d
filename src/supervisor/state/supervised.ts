import type { AppHandle, DaemonSandbox, Sandbox } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { describeEnding } from '../ending-text.ts';
import type { StartOutput } from '../output.ts';
import { type Clock, systemClock } from './clock.ts';
import { step } from './machine.ts';
import { type Action, type Input, type Model, newModel, statusOf, type TimerName } from './model.ts';
import type { DaemonSettings } from './settings.ts';
import type { Daemon, DaemonListener, DaemonStatus, Readiness } from './types.ts';

export interface SupervisedOptions {
  readonly plan: SandboxPlan;
  readonly handle: Pick<AppHandle, 'start'>;
  /** Asked before each start: where its output goes. */
  readonly output: () => StartOutput;
  readonly settings: DaemonSettings;
  /** Asked after a death by SIGSYS: the name of the call, made since then (milliseconds since the epoch). */
  readonly killedFor?: (since: number) => Promise<string | undefined>;
  /** Makes the watch of one start; only where `settings.gated`, or where it has something else to report. */
  readonly readiness?: () => Readiness;
  readonly clock?: Clock;
}

const SIGSYS = 31;

/** Carries out what the state machine wants for one daemon, and tells it what happens. */
export class SupervisedDaemon implements Daemon {
  readonly #options: SupervisedOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<DaemonListener>();
  readonly #timers = new Map<TimerName, () => void>();
  #model: Model;
  #sandbox: Sandbox | undefined;
  #readiness: Readiness | undefined;
  /** Inputs that came while one was being worked on: a listener may call back. */
  #queue: Input[] | undefined;

  constructor(options: SupervisedOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#model = newModel(this.#clock.now(), this.#clock.wall());
  }

  get app(): string {
    return this.#options.plan.app;
  }

  get name(): string {
    return this.#options.plan.daemon;
  }

  status(): DaemonStatus {
    return statusOf(this.#model, this.app, this.name, this.#clock.now(), this.#clock.wall());
  }

  /** @param waitFor daemons it depends on that are not far enough yet; `dependencies` tells when they are. */
  start(waitFor: readonly string[] = []): void {
    this.#input({ type: 'start', waitFor });
  }

  /** What it still waits for; none: it is started now. Nothing unless it waits. @param text what to show. */
  dependencies(waitFor: readonly string[], text?: string): void {
    this.#input({ type: 'dependencies', waitFor, ...(text === undefined ? {} : { text }) });
  }

  /** @param signal the one that asked metactl to stop: handed on unless `kill-signal` is set. */
  stop(signal?: number): void {
    this.#input({ type: 'stop', signal });
  }

  kill(): void {
    this.#input({ type: 'kill' });
  }

  restart(): void {
    this.#input({ type: 'restart', waitFor: [] });
  }

  reload(): boolean {
    return this.signal(this.#options.settings.reloadSignal);
  }

  signal(signal: number): boolean {
    this.#sandbox?.signal(signal);
    return this.#sandbox !== undefined;
  }

  onEvent(listener: DaemonListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #input(input: Input): void {
    if (this.#queue !== undefined) {
      this.#queue.push(input);
      return;
    }
    this.#queue = [input];
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#take(next);
    } finally {
      this.#queue = undefined;
    }
  }

  #take(input: Input): void {
    const { now, wall, random } = { now: this.#clock.now(), wall: this.#clock.wall(), random: this.#clock.random() };
    const { model, actions } = step(this.#model, input, { settings: this.#options.settings, now, wall, random });
    this.#model = model;
    for (const action of actions) this.#carryOut(action);
  }

  #carryOut(action: Action): void {
    switch (action.type) {
      case 'tell': {
        const status = this.status();
        for (const listener of this.#listeners) listener(action.event, status);
        return;
      }
      case 'launch':
        void this.#launch();
        return;
      case 'signal':
        this.#sandbox?.signal(action.signal);
        return;
      case 'kill':
        this.#sandbox?.kill();
        return;
      case 'clear-timer':
        this.#timers.get(action.name)?.();
        this.#timers.delete(action.name);
        return;
      case 'set-timer':
        this.#timers.get(action.name)?.();
        this.#timers.set(
          action.name,
          this.#clock.after(action.delay, () => {
            this.#timers.delete(action.name);
            this.#input({ type: 'timer', name: action.name });
          }),
        );
    }
  }

  async #launch(): Promise<void> {
    const { handle, plan } = this.#options;
    const since = this.#clock.wall();
    let sandbox: DaemonSandbox | undefined;
    try {
      const output = this.#options.output();
      sandbox = await handle.start(plan, output.io);
      this.#sandbox = sandbox;
      output.attach(sandbox);
      this.#watch(sandbox);
      this.#input({ type: 'launched', pid: sandbox.pid });
      await sandbox.started;
    } catch (error) {
      // Whatever failed after the spawn: nothing of it may go on unseen beside the next one.
      sandbox?.kill();
      await sandbox?.ended;
      this.#letGo();
      this.#input({ type: 'launch-failed', error: error as Error, status: exitStatusFor(error) });
      return;
    }
    this.#input({ type: 'executed' });
    const ending = await sandbox.over;
    const killedFor = ending.signal === SIGSYS ? await this.#options.killedFor?.(since) : undefined;
    this.#letGo();
    this.#input({ type: 'ended', ending, killedFor, cause: describeEnding(ending, plan.limits, killedFor) });
  }

  #watch(sandbox: Sandbox): void {
    const readiness = this.#options.readiness?.();
    this.#readiness = readiness;
    readiness?.watch(sandbox, (report) => {
      if (this.#readiness === readiness) this.#input({ type: 'report', report });
    });
  }

  #letGo(): void {
    this.#sandbox = undefined;
    this.#readiness?.close();
    this.#readiness = undefined;
  }
}

/** What `run` ends with where a daemon could not be started. */
function exitStatusFor(error: unknown): number {
  return error instanceof MetactlError && error.exitStatus !== EXIT.error ? error.exitStatus : EXIT.sandbox;
}
