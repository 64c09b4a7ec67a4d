import type { Ending } from '../../host/host.ts';
import { formatDuration } from '../../util/duration.ts';
import { NEVER_ENDED } from './ending-turn.ts';
import type { Input, Model, TimerName } from './model.ts';
import { ReportingTurn } from './reporting-turn.ts';
import { decide, exitStatusOf, isFailure, isOverLimit, wasStable } from './restart-policy.ts';
import type { StepContext, StepResult } from './turn.ts';
import type { LastExit, StartCause } from './types.ts';

const SIGQUIT = 3;

/**
 * The life of one daemon: what an input does to it. Pure: no clock, no process, no file. The whole truth about when a daemon
 * is started, stopped, killed, or given up is in this file and those of the turns that it is made of; `supervised.ts` carries
 * the actions out.
 *
 * Whatever comes, these hold (the property tests check them): a start after an end that nobody asked for comes after a pause,
 * unless the run was stable; where something is to happen later there is a timer or a process that will say so; a daemon that
 * was told to stop is not started again.
 */
export function step(model: Model, input: Input, context: StepContext): StepResult {
  const turn = new Step(model, context);
  turn.take(input);
  return { model: turn.model, actions: turn.actions };
}

type Wish = Extract<Input, { type: 'start' | 'restart' | 'stop' | 'kill' }>;
type Happening = Exclude<Input, Wish | { type: 'timer' }>;

function isWish(input: Input): input is Wish {
  return ['start', 'restart', 'stop', 'kill'].includes(input.type);
}

/** One step in the making. */
class Step extends ReportingTurn {
  take(input: Input): void {
    if (input.type === 'timer') this.#timer(input.name);
    else if (isWish(input)) this.#wish(input);
    else this.#happening(input);
  }

  /** What somebody wants. */
  #wish(input: Wish): void {
    const alive = this.#isAlive();
    if (input.type === 'start') this.#start(input.waitFor);
    else if (input.type === 'restart' && !alive) this.#begin('manual', input.waitFor);
    else if (!alive) this.#rest();
    else if (input.type === 'restart') this.end('start', undefined);
    else if (input.type === 'stop') this.end('stop', input.signal);
    else this.kill('stop', false);
  }

  /** What has happened. What comes too late, about a run that is over, has no effect. */
  #happening(input: Happening): void {
    const { phase } = this.model;
    if (input.type === 'dependencies' && phase === 'waiting') this.#wait(input.waitFor, input.text);
    else if (input.type === 'launched' && phase === 'launching') this.#launched(input.pid);
    else if (input.type === 'launch-failed' && this.#isAlive()) this.#launchFailed(input.error, input.status);
    else if (input.type === 'executed' && phase === 'up') this.#executed();
    else if (input.type === 'ended' && phase === 'up') this.#ended(input.ending, input.killedFor, input.cause);
    else if (input.type === 'report' && phase === 'up') this.report(input.report);
  }

  #isAlive(): boolean {
    return this.model.phase === 'launching' || this.model.phase === 'up';
  }

  // Starting

  #start(waitFor: readonly string[]): void {
    const { phase, state } = this.model;
    if (phase === 'idle' || phase === 'backoff') this.#begin('manual', waitFor);
    // It is on its way down: up again afterwards.
    else if (this.#isAlive() && state === 'stopping') this.set({ after: 'start' });
  }

  #begin(cause: StartCause, waitFor: readonly string[]): void {
    this.clear('retry');
    this.set({ cause, retryAt: undefined, statusText: undefined, done: false });
    if (cause === 'manual') {
      const { manualStarts } = this.model;
      this.set({ failures: 0, restarts: 0, startTimes: [], manualStarts: manualStarts + 1 });
    }
    this.#wait(waitFor);
  }

  #wait(waitsFor: readonly string[], text?: string): void {
    if (waitsFor.length === 0) {
      this.#launch();
      return;
    }
    const { phase, waitsFor: before } = this.model;
    this.set({ phase: 'waiting', waitsFor, statusText: text ?? `waits for ${waitsFor.join(' and ')}` });
    this.to('starting');
    if (phase !== 'waiting' || before.join(' ') !== waitsFor.join(' ')) {
      this.tell({ type: 'waiting', daemons: waitsFor });
    }
  }

  #launch(): void {
    const { now } = this.context;
    const { cause, automaticStarts, restarts, startTimes } = this.model;
    if (cause === 'automatic') {
      const interval = this.context.settings.restart.startLimitIntervalSec;
      const recent = [...startTimes.filter((at) => at > now - interval), now];
      // Nobody counts them where there is no limit.
      const limited = this.context.settings.restart.startLimitBurst > 0;
      this.set({ automaticStarts: automaticStarts + 1, restarts: restarts + 1, startTimes: limited ? recent : [] });
    }
    this.set({
      phase: 'launching',
      waitsFor: [],
      launchedAt: now,
      executedAt: undefined,
      stableFrom: undefined,
      after: 'policy',
      asked: false,
      pendingSignal: undefined,
      killed: false,
      fault: undefined,
      unwell: undefined,
      statusText: undefined,
    });
    this.to('starting');
    this.tell({ type: 'starting', cause });
    this.actions.push({ type: 'launch' });
  }

  #launched(pid: number): void {
    this.set({ phase: 'up', pid });
    const { killed, asked, after, pendingSignal } = this.model;
    if (killed) this.kill(after, false);
    else if (asked) this.askToEnd(pendingSignal);
  }

  #executed(): void {
    const { now, settings } = this.context;
    const { state, stableFrom, pid } = this.model;
    const gated = settings.gated && stableFrom === undefined;
    this.set({ executedAt: now, stableFrom: gated ? undefined : now });
    if (state === 'starting' && !gated) this.to(settings.gated ? 'ready' : 'running');
    this.tell({ type: 'running', pid: pid! });
    if (settings.gated && this.model.state === 'ready') this.tell({ type: 'ready' });
    if (this.model.unwell !== undefined && state === 'starting' && !gated) this.settle();
  }

  #launchFailed(error: Error, status: number): void {
    const { cause, after, manualStarts } = this.model;
    const { unattended = false } = this.context;
    this.#over({ ...NEVER_STARTED, code: status }, undefined, error.message);
    this.tell({ type: 'start-failed', error });
    if (after !== 'policy') this.#afterwards();
    // Who starts it by hand is there to read why it can't be; a restart may find the reason gone the next time. So may the first
    // start of a unit, unless the error says that it is a matter of configuration.
    else if (cause === 'manual' && !(unattended && manualStarts === 1 && status === NEVER_STARTED.code))
      this.#giveUp('failed', error.message);
    else this.#byPolicy({ ...NEVER_STARTED, code: status }, true, 0);
  }

  // Ending

  /** Nothing of it is there, and nothing is to come. */
  #rest(): void {
    const { state } = this.model;
    this.clear('retry');
    this.set({ phase: 'idle', waitsFor: [], retryAt: undefined, statusText: undefined });
    if (state === 'stopped') return;
    this.to('stopped');
    this.tell({ type: 'stopped' });
  }

  #timer(name: TimerName): void {
    const { phase, state, after } = this.model;
    const ends = phase === 'up' && state === 'stopping';
    if (name === 'retry') {
      if (phase === 'backoff') this.#begin('automatic', []);
    } else if (name === 'reload') this.reloadIsLate();
    else if (ends && name === 'kill') this.kill(after, true);
    else if (ends) {
      this.tell({ type: 'thread-dump' });
      this.actions.push({ type: 'signal', signal: SIGQUIT });
    }
  }

  #ended(ending: Ending, killedFor: string | undefined, cause: string): void {
    const { now, settings } = this.context;
    const { after, stableFrom, fault } = this.model;
    const stableFor = stableFrom === undefined || fault !== undefined ? 0 : now - stableFrom;
    this.#over(ending, killedFor, cause);
    this.tell({ type: 'ended', exit: this.model.lastExit! });
    if (wasStable(stableFor, settings.restart)) this.set({ failures: 0 });
    if (after !== 'policy') this.#afterwards();
    else this.#byPolicy(ending, fault !== undefined, stableFor);
  }

  /** The run is over: what there was of it is gone. */
  #over(ending: Ending, killedFor: string | undefined, cause: string): void {
    const { now, wall, settings } = this.context;
    const { executedAt, fault, killed } = this.model;
    this.clear('thread-dump', 'kill');
    // Its sandbox did not end by itself.
    const told = fault === NEVER_ENDED ? '' : ': it did not end when it was told to';
    const how = killed && ending.sandboxDied ? `was killed by metactl${told}` : cause;
    const lastExit: LastExit = {
      ending,
      status: exitStatusOf(ending),
      failed: fault !== undefined || isFailure(ending, settings.restart),
      killedFor,
      // By what it was ended says nothing without why.
      cause: fault === undefined ? how : `${how} (${fault})`,
      uptime: executedAt === undefined ? 0 : now - executedAt,
      at: wall,
    };
    this.set({ phase: 'idle', pid: undefined, executedAt: undefined, statusText: undefined, lastExit });
  }

  /** Somebody asked for the end. */
  #afterwards(): void {
    if (this.model.after === 'start') this.#begin('manual', []);
    else this.#stopped();
  }

  #stopped(): void {
    this.to('stopped');
    this.tell({ type: 'stopped' });
  }

  /** Nobody asked for the end. */
  #byPolicy(ending: Ending, fault: boolean, stableFor: number): void {
    const { now, random, settings } = this.context;
    const { failures, startTimes, lastExit, reason } = this.model;
    const decision = decide({ ending, fault, stableFor, failures }, settings.restart, random);
    if (decision.action === 'restart') {
      const { startLimitBurst, startLimitIntervalSec } = settings.restart;
      if (!isOverLimit(startTimes, now + decision.delay, settings.restart)) this.#backOff(decision.delay);
      else this.#giveUp('maintenance', limitText(startLimitBurst, startLimitIntervalSec));
      return;
    }
    const why = (fault ? reason : undefined) ?? lastExit!.cause;
    if (!decision.failed) {
      this.set({ done: true });
      this.#stopped();
    } else if (!decision.prevented) this.#giveUp('failed', why);
    else this.#giveUp('maintenance', `${why}, which is in restart-prevent-exit-status`);
  }

  #backOff(delay: number): void {
    const { now } = this.context;
    const { failures, restarts } = this.model;
    this.set({ failures: failures + 1 });
    this.to('backoff');
    this.tell({ type: 'backoff', delay, restarts: restarts + 1 });
    if (delay === 0) {
      this.#begin('automatic', []);
      return;
    }
    this.set({ phase: 'backoff', retryAt: now + delay });
    this.actions.push({ type: 'set-timer', name: 'retry', delay });
  }

  #giveUp(state: 'failed' | 'maintenance', reason: string): void {
    this.to(state, reason);
    this.tell({ type: state, reason });
  }
}

function limitText(burst: number, interval: number): string {
  return `started again ${burst} times within ${formatDuration(interval)}, and ended each time`;
}

/** Stands for a start whose sandbox could not be made: a failure to be backed off from like any other. */
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
