import { formatDuration } from '../../util/duration.ts';
import { EndingTurn } from './ending-turn.ts';
import type { ReadinessReport } from './types.ts';

const SIGABRT = 6;

/** What the watch of a run tells of it. */
export class ReportingTurn extends EndingTurn {
  report(report: ReadinessReport): void {
    switch (report.type) {
      case 'status-text':
        this.set({ statusText: report.text });
        this.tell(report);
        break;
      case 'extend':
        this.extend(report.milliseconds);
        break;
      case 'failed':
        this.fault(report.reason);
        break;
      case 'watchdog':
        this.fault('gave no sign of life within watchdog-sec', SIGABRT);
        break;
      case 'ready':
        this.#ready();
        break;
      case 'unwell':
        this.#health(report.reason);
        break;
      case 'well':
        this.#health(undefined);
        break;
      default:
        this.#says(report);
    }
  }

  /** It is up, and says of itself that something is different with it. */
  #says(report: Extract<ReadinessReport, { type: 'reloading' | 'stopping' }>): void {
    const { state } = this.model;
    if (report.type === 'reloading' && (state === 'ready' || state === 'running' || state === 'degraded')) {
      const { reloadTimeout: delay } = this.context.settings;
      this.to('reloading');
      this.tell(report);
      if (Number.isFinite(delay)) this.actions.push({ type: 'set-timer', name: 'reload', delay });
    } else if (report.type === 'stopping' && state !== 'stopping') this.endsItself();
  }

  /** It has not said in time that it has reloaded. It may be at work all the same: it is not ended for that, as under systemd. */
  reloadIsLate(): void {
    const { now } = this.context;
    const { state, since } = this.model;
    if (state !== 'reloading') return;
    const took = now - since;
    // The timer may be a little late.
    const within = formatDuration(took < 1000 ? Math.floor(took) : Math.floor(took / 1000) * 1000);
    this.set({ overdue: `did not say that its reload ended within ${within}` });
    this.settle();
  }

  /** What its health probe says; known also while it does something else, and shown as soon as that is done. */
  #health(unwell: string | undefined): void {
    const { state } = this.model;
    this.set({ unwell });
    if (state === 'ready' || state === 'running' || state === 'degraded') this.settle();
  }

  #ready(): void {
    const { state, executedAt, stableFrom, overdue } = this.model;
    if (state !== 'starting' && state !== 'reloading' && overdue === undefined) return;
    this.set({ stableFrom: stableFrom ?? this.context.now, overdue: undefined });
    // Its word may be read before the kernel's that it was executed.
    if (executedAt !== undefined) this.settle();
  }

  /** It is at work: as well as is known. */
  settle(): void {
    const { state, reason: before, unwell, overdue } = this.model;
    const reason = unwell ?? overdue;
    const next = reason !== undefined ? 'degraded' : this.context.settings.gated ? 'ready' : 'running';
    if (next === state && reason === before) return;
    this.to(next, reason);
    this.tell(reason === undefined ? { type: 'ready' } : { type: 'degraded', reason });
  }
}
