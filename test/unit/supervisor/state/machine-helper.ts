import type { Ending } from '../../../../src/host/host.ts';
import { step } from '../../../../src/supervisor/state/machine.ts';
import {
  type Action,
  type Input,
  type Model,
  newModel,
  statusOf,
  type TimerName,
} from '../../../../src/supervisor/state/model.ts';
import type { DaemonSettings } from '../../../../src/supervisor/state/settings.ts';
import type { DaemonEvent, DaemonStatus } from '../../../../src/supervisor/state/types.ts';

export const SETTINGS: DaemonSettings = {
  restart: {
    restart: 'on-failure',
    restartSec: 100,
    restartMaxDelaySec: 30_000,
    restartResetSec: 30_000,
    startLimitBurst: 0,
    startLimitIntervalSec: 600_000,
    successExitStatus: [],
    restartPreventExitStatus: [],
  },
  stop: { killSignal: undefined, timeout: 30_000, threadDump: false },
  reloadSignal: 1,
  reloadTimeout: 90_000,
  gated: false,
};

export function ending(changes: Partial<Ending>): Ending {
  return {
    code: undefined,
    signal: undefined,
    coreDumped: false,
    oomKilled: false,
    sandboxDied: false,
    userTime: 0,
    systemTime: 0,
    maxRss: 0,
    ...changes,
  };
}

/** A state machine with a clock that tests move, its timers and all that it ever did. */
export class Bench {
  now = 1_000_000;
  /** What somebody has set the wall clock forward by. */
  wallShift = 0;
  model: Model;
  readonly settings: DaemonSettings;
  readonly unattended: boolean;
  readonly events: DaemonEvent[] = [];
  readonly signals: number[] = [];
  readonly timers = new Map<TimerName, number>();
  /** When it was launched. */
  readonly launches: number[] = [];
  kills = 0;
  /** Of the last input. */
  last: readonly Action[] = [];

  constructor(settings: Partial<DaemonSettings> = {}, unattended = false) {
    this.unattended = unattended;
    this.settings = { ...SETTINGS, ...settings };
    this.model = newModel(this.now, this.wall);
  }

  get wall(): number {
    return this.now + 1e12 + this.wallShift;
  }

  get status(): DaemonStatus {
    return statusOf(this.model, 'shop', 'web', this.now, this.wall);
  }

  get state(): string {
    return this.model.state;
  }

  input(input: Input, random = 0): this {
    const { settings, unattended, now, wall } = this;
    const { model, actions } = step(this.model, input, { settings, unattended, now, wall, random });
    this.model = model;
    this.last = actions;
    for (const action of actions) {
      if (action.type === 'tell') this.events.push(action.event);
      else if (action.type === 'launch') this.launches.push(this.now);
      else if (action.type === 'signal') this.signals.push(action.signal);
      else if (action.type === 'kill') this.kills++;
      else if (action.type === 'set-timer') this.timers.set(action.name, this.now + action.delay);
      else if (action.type === 'clear-timer') this.timers.delete(action.name);
      else if (this.timers.has(action.name)) {
        this.timers.set(action.name, Math.max(this.timers.get(action.name)!, this.now + action.delay));
      }
    }
    return this;
  }

  start(): this {
    return this.input({ type: 'start', waitFor: [] });
  }

  /** It is launched and runs. */
  run(): this {
    return this.input({ type: 'launched', pid: 77 }).input({ type: 'executed' });
  }

  stop(): this {
    return this.input({ type: 'stop', signal: undefined });
  }

  end(changes: Partial<Ending> = { code: 1 }, random = 0): this {
    return this.input({ type: 'ended', ending: ending(changes), killedFor: undefined, cause: 'ended' }, random);
  }

  report(report: Extract<Input, { type: 'report' }>['report']): this {
    return this.input({ type: 'report', report });
  }

  /** Moves the clock, firing what is due on the way. */
  pass(milliseconds: number): this {
    const until = this.now + milliseconds;
    for (;;) {
      const due = [...this.timers].filter(([, at]) => at <= until).sort((a, b) => a[1] - b[1])[0];
      if (due === undefined) break;
      this.now = Math.max(this.now, due[1]);
      this.timers.delete(due[0]);
      this.input({ type: 'timer', name: due[0] });
    }
    this.now = until;
    return this;
  }

  /** Types of the events since the last call. */
  told(): string[] {
    return this.events.splice(0).map(({ type }) => type);
  }
}
