import type { Action, Model, TimerName } from './model.ts';
import type { DaemonSettings } from './settings.ts';
import type { DaemonEvent, DaemonState } from './types.ts';

/** What one step may look at beside the model. */
export interface StepContext {
  readonly settings: DaemonSettings;
  /** Nobody is there to read why the first start can't be: what may pass is tried again, as `restart` says. */
  readonly unattended?: boolean;
  /** Milliseconds of a clock that is never set. */
  readonly now: number;
  /** Milliseconds since the epoch. */
  readonly wall: number;
  /** 0 ≤ n < 1. */
  readonly random: number;
}

export interface StepResult {
  readonly model: Model;
  readonly actions: readonly Action[];
}

/** A model that is being changed, and what has to be done for that. */
export class Turn {
  model: Model;
  readonly actions: Action[] = [];
  readonly context: StepContext;

  constructor(model: Model, context: StepContext) {
    this.model = model;
    this.context = context;
  }

  set(changes: Partial<Model>): void {
    this.model = { ...this.model, ...changes };
  }

  to(state: DaemonState, reason?: string): void {
    const { now, wall } = this.context;
    const { state: before } = this.model;
    if (state === before) {
      this.set({ reason });
      return;
    }
    if (before === 'reloading') this.clear('reload');
    this.set({ state, reason, since: now, sinceWall: wall, ...(state === 'degraded' ? {} : { overdue: undefined }) });
  }

  tell(event: DaemonEvent): void {
    this.actions.push({ type: 'tell', event });
  }

  clear(...names: readonly TimerName[]): void {
    for (const name of names) this.actions.push({ type: 'clear-timer', name });
  }
}
