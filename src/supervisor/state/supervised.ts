import type { AppHandle, DaemonSandbox } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { hideInData, hideInError } from '../../util/secrets.ts';
import { describeEnding } from '../ending-text.ts';
import type { StartOutput } from '../output.ts';
import { restartsAtOnceFrom } from './anticipate.ts';
import { type Clock, systemClock } from './clock.ts';
import { step } from './machine.ts';
import {
  type Action,
  type Input,
  type Model,
  newModel,
  shiftModel,
  statusOf,
  type TimerName,
  withHistory,
} from './model.ts';
import { immediateEndings } from './restart-policy.ts';
import type { DaemonSettings } from './settings.ts';
import type {
  Daemon,
  DaemonListener,
  DaemonStatus,
  HandedReadiness,
  Readiness,
  ReadinessReport,
  Reloaded,
} from './types.ts';

export interface SupervisedOptions {
  readonly plan: SandboxPlan;
  /** `open`: takes hold of what a first start needs, and needs no output for it; undefined where that is held. */
  readonly handle: Pick<AppHandle, 'start' | 'takeUp'> & { open?(): Promise<void> | undefined };
  /** Asked before each start: where its output goes. At once, unless its disk must be asked. */
  readonly output: () => StartOutput | Promise<StartOutput>;
  readonly settings: DaemonSettings;
  /** Nobody is there to read why the first start can't be: what may pass is tried again, as `restart` says. */
  readonly unattended?: boolean;
  /** Asked after a death by SIGSYS: the name of the call, made since then (milliseconds since the epoch). */
  readonly killedFor?: (since: number) => Promise<string | undefined>;
  /** Makes the watch of one start; only where `settings.gated`, or where it has something else to report. */
  readonly readiness?: (resumed?: { readonly handed: HandedReadiness; readonly by: number }) => Readiness;
  readonly clock?: Clock;
  /** What errors must not show. */
  readonly secrets?: readonly string[];
}

const SIGSYS = 31;

/** What a daemon's supervision hands over to the process that takes this one's place. Times by this one's clock, in ms. */
export interface HandedDaemon {
  readonly model: Model;
  readonly timers: readonly { readonly name: TimerName; readonly at: number }[];
  /** Milliseconds since the epoch: when the present start was begun. */
  readonly launchedWall: number;
  readonly readiness: HandedReadiness | undefined;
}

/** Carries out what the state machine wants for one daemon, and tells it what happens. */
export class SupervisedDaemon implements Daemon {
  readonly #options: SupervisedOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<DaemonListener>();
  readonly #timers = new Map<TimerName, { readonly at: number; readonly stop: () => void }>();
  #launchedWall = 0;
  #model: Model;
  #sandbox: DaemonSandbox | undefined;
  /** Of `#sandbox`: its end is known, but not yet told to the state machine. */
  #isOver = false;
  #readiness: Readiness | undefined;
  /** What `#sandbox` was told: from when on its end may be followed by another start at once. */
  #anticipated: number | undefined;
  /** Ends what a start waits for before there is anything of it. */
  #abandon: (() => void) | undefined;
  /** Nothing may begin by itself. */
  #held = false;
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

  /** Of the daemon whose place this one takes. Call it before the first start. */
  remember(before: SupervisedDaemon): void {
    this.#model = withHistory(this.#model, before.#model);
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

  reload(): Reloaded {
    const { reloadSignal } = this.#options.settings;
    if (this.#sandbox === undefined) return 'not-running';
    if (reloadSignal === undefined) return 'no-signal';
    return this.signal(reloadSignal) ? 'told' : 'not-running';
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
    const { settings, unattended = false } = this.#options;
    const { model, actions } = step(this.#model, input, { settings, unattended, now, wall, random });
    this.#model = model;
    if (model.phase === 'launching' && (model.asked || model.killed)) this.#abandon?.();
    this.#anticipate();
    // What is told of a launch can wait until it is under way.
    for (const action of actions) if (action.type === 'launch') void this.#launch();
    for (const action of actions) this.#carryOut(action);
  }

  /** While nothing may be begun, it begins nothing by itself either: its next start comes by `start` of the handle. */
  hold(held: boolean): void {
    this.#held = held;
    this.#anticipate();
  }

  /** In the very turn in which the machine's mind changes: what comes next may be the end. */
  #anticipate(): void {
    const { settings } = this.#options;
    const now = this.#clock.now();
    const from = this.#held || this.#isOver ? undefined : restartsAtOnceFrom(this.#model, settings, now);
    if (from === this.#anticipated || this.#sandbox?.anticipate === undefined) return;
    this.#anticipated = from;
    const what =
      from === undefined
        ? undefined
        : { delay: Math.ceil(Math.max(from - now, 0)), endings: immediateEndings(settings.restart) };
    this.#sandbox.anticipate(what);
  }

  #carryOut(action: Action): void {
    switch (action.type) {
      case 'tell': {
        const status = this.status();
        for (const listener of this.#listeners) listener(action.event, status);
        return;
      }
      case 'launch':
        return;
      case 'signal':
        this.#sandbox?.signal(action.signal);
        return;
      case 'kill':
        this.#sandbox?.kill();
        return;
      case 'clear-timer':
        this.#timers.get(action.name)?.stop();
        this.#timers.delete(action.name);
        return;
      case 'set-timer':
        this.#setTimer(action.name, action.delay);
        return;
      case 'extend-timer': {
        const { at = Number.POSITIVE_INFINITY } = this.#timers.get(action.name) ?? {};
        if (at < this.#clock.now() + action.delay) this.#setTimer(action.name, action.delay);
      }
    }
  }

  #setTimer(name: TimerName, delay: number): void {
    this.#timers.get(name)?.stop();
    const stop = this.#clock.after(delay, () => {
      this.#timers.delete(name);
      this.#input({ type: 'timer', name });
    });
    this.#timers.set(name, { at: this.#clock.now() + delay, stop });
  }

  /** Whether it was told to end, and nobody has said since that it is to be up again. */
  get isToEnd(): boolean {
    return this.#model.asked && this.#model.after === 'stop';
  }

  /** Whether its present run is known from start to end: else a moment later it can be handed over. */
  get isSteady(): boolean {
    const { phase } = this.#model;
    return phase === 'up' ? this.#sandbox !== undefined && !this.#isOver : this.#sandbox === undefined;
  }

  /** Only while it is steady, and nothing may be begun. */
  handOver(): HandedDaemon {
    return {
      model: this.#model,
      timers: [...this.#timers].map(([name, { at }]) => ({ name, at })),
      launchedWall: this.#launchedWall,
      readiness: this.#readiness?.handOver(),
    };
  }

  /**
   * Goes on where another process stopped; its handle has been taken over. Call it once, before anything else.
   * @param by milliseconds that this process's clock shows more.
   */
  goOn({ model, timers, launchedWall, readiness }: HandedDaemon, by: number): void {
    this.#model = shiftModel(model, by);
    this.#launchedWall = launchedWall;
    for (const { name, at } of timers) this.#setTimer(name, Math.max(at + by - this.#clock.now(), 0));
    if (model.phase === 'launching') void this.#launch();
    else if (model.phase === 'up') {
      const { handle, plan } = this.#options;
      // What it writes into was handed over with it, open.
      const output = this.#options.output() as StartOutput;
      const sandbox = handle.takeUp(plan, output.io)!;
      this.#hold(sandbox, output, readiness === undefined ? undefined : { handed: readiness, by });
      this.#anticipate();
      void this.#follow(sandbox);
    }
  }

  async #launch(): Promise<void> {
    const { handle, plan } = this.#options;
    this.#launchedWall = this.#clock.wall();
    let sandbox: DaemonSandbox | undefined;
    try {
      const opening = handle.open?.();
      if (opening !== undefined) await opening;
      const asked = this.#options.output();
      const output = asked instanceof Promise ? await this.#unlessToEnd(asked) : asked;
      sandbox = await handle.start(plan, output.io);
      this.#hold(sandbox, output);
      this.#input({ type: 'launched', pid: sandbox.pid });
    } catch (error) {
      await this.#failed(sandbox, error as Error);
      return;
    }
    await this.#follow(sandbox);
  }

  /** A start that waits for a disk that hangs can be stopped. */
  #unlessToEnd<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#abandon = () => reject(isToEnd());
      // It was told so before there was anything to wait for.
      if (this.#model.asked || this.#model.killed) this.#abandon();
      void work.then(resolve, reject).finally(() => {
        this.#abandon = undefined;
      });
    });
  }

  #hold(sandbox: DaemonSandbox, output: StartOutput, resumed?: { handed: HandedReadiness; by: number }): void {
    this.#sandbox = sandbox;
    this.#isOver = false;
    this.#anticipated = undefined;
    output.attach(sandbox);
    const readiness = this.#options.readiness?.(resumed);
    this.#readiness = readiness;
    readiness?.watch(sandbox, (report) => {
      if (this.#readiness === readiness) this.#input({ type: 'report', report: this.#withoutSecrets(report) });
    });
  }

  /** A status text is the daemon's own. */
  #withoutSecrets(report: ReadinessReport): ReadinessReport {
    return report.type === 'status-text' ? report : hideInData(report, this.#options.secrets ?? []);
  }

  async #follow(sandbox: DaemonSandbox): Promise<void> {
    const { plan, killedFor: whyKilled } = this.#options;
    try {
      await sandbox.started;
    } catch (error) {
      await this.#failed(sandbox, error as Error);
      return;
    }
    // The process before may have heard of it.
    if (this.#model.executedAt === undefined) this.#input({ type: 'executed' });
    const ending = await sandbox.over;
    this.#isOver = true;
    const killedFor = ending.signal === SIGSYS ? await whyKilled?.(this.#launchedWall) : undefined;
    this.#letGo();
    this.#input({ type: 'ended', ending, killedFor, cause: describeEnding(ending, plan.limits, killedFor) });
  }

  /** Whatever failed after the spawn: nothing of it may go on unseen beside the next one. */
  async #failed(sandbox: DaemonSandbox | undefined, error: Error): Promise<void> {
    sandbox?.kill();
    await sandbox?.ended;
    this.#letGo();
    hideInError(error, this.#options.secrets ?? []);
    this.#input({ type: 'launch-failed', error, status: exitStatusFor(error) });
  }

  #letGo(): void {
    this.#sandbox = undefined;
    this.#readiness?.close();
    this.#readiness = undefined;
  }
}

function isToEnd(): MetactlError {
  return new MetactlError('it was told to stop while it waited for its log', {
    code: 'METACTL_ENDING',
    hint: 'the disk of its log does not answer',
  });
}

/** What `run` ends with where a daemon could not be started. */
function exitStatusFor(error: unknown): number {
  return error instanceof MetactlError && error.exitStatus !== EXIT.error ? error.exitStatus : EXIT.sandbox;
}
