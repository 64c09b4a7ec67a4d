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
      this.to('reloading');
      this.tell(report);
    } else if (report.type === 'stopping' && state !== 'stopping') {
      this.to('stopping');
      this.tell({ type: 'stopping', reason: undefined });
    }
  }

  /** What its health probe says; known also while it does something else, and shown as soon as that is done. */
  #health(unwell: string | undefined): void {
    const { state } = this.model;
    this.set({ unwell });
    if (state === 'ready' || state === 'running' || state === 'degraded') this.settle();
  }

  #ready(): void {
    const { state, executedAt, stableFrom } = this.model;
    if (state !== 'starting' && state !== 'reloading') return;
    this.set({ stableFrom: stableFrom ?? this.context.now });
    // Its word may be read before the kernel's that it was executed.
    if (executedAt !== undefined) this.settle();
  }

  /** It is at work: as well as is known. */
  settle(): void {
    const { state, reason: before, unwell } = this.model;
    const next = unwell !== undefined ? 'degraded' : this.context.settings.gated ? 'ready' : 'running';
    if (next === state && unwell === before) return;
    this.to(next, unwell);
    this.tell(unwell === undefined ? { type: 'ready' } : { type: 'degraded', reason: unwell });
  }
}
