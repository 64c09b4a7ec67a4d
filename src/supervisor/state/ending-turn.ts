import { LONGEST_STOP } from '../../config/schema/lifecycle.ts';
import type { Model } from './model.ts';
import { Turn } from './turn.ts';

const SIGTERM = 15;
const SIGCONT = 18;

/** Milliseconds that a JVM gets to print its threads before it is killed: the last second of timeout-stop-sec, or a quarter. */
const THREAD_DUMP = 1000;
/** Milliseconds after which what survived SIGKILL gets it again: the kernel may have been busy with it. */
const KILL_AGAIN = 5000;

/** How one that is there is brought to its end. */
export class EndingTurn extends Turn {
  end(after: 'stop' | 'start', signal: number | undefined): void {
    const { phase, asked } = this.model;
    this.set({ after });
    if (asked) return;
    this.to('stopping');
    this.tell({ type: 'stopping', reason: undefined });
    if (phase === 'up') this.askToEnd(signal);
    else this.set({ pendingSignal: signal, asked: true });
  }

  /** @param signal used unless `kill-signal` is set. @param instead used in any case. */
  askToEnd(signal: number | undefined, instead?: number): void {
    const { killSignal, timeout, threadDump } = this.context.settings.stop;
    this.set({ asked: true });
    this.actions.push({ type: 'signal', signal: instead ?? killSignal ?? signal ?? SIGTERM });
    // One that was stopped (SIGSTOP) could not obey.
    this.actions.push({ type: 'signal', signal: SIGCONT });
    this.killAfter(timeout, threadDump);
  }

  killAfter(timeout: number, threadDump: boolean, type: 'set-timer' | 'extend-timer' = 'set-timer'): void {
    if (!Number.isFinite(timeout)) return;
    const lead = Math.min(THREAD_DUMP, timeout / 4);
    if (threadDump) this.actions.push({ type, name: 'thread-dump', delay: timeout - lead });
    this.actions.push({ type, name: 'kill', delay: timeout });
  }

  kill(after: Model['after'], timeout: boolean): void {
    const { phase, state } = this.model;
    this.set({ after, asked: true, killed: true });
    if (state !== 'stopping') {
      this.to('stopping');
      this.tell({ type: 'stopping', reason: undefined });
    }
    this.clear('thread-dump');
    if (phase !== 'up') return;
    this.tell({ type: 'killing', timeout });
    this.actions.push({ type: 'kill' }, { type: 'set-timer', name: 'kill', delay: KILL_AGAIN });
  }

  /** Ends it although nobody has asked for that. */
  fault(reason: string, signal?: number): void {
    if (this.model.asked) return;
    this.set({ fault: reason });
    this.to('stopping', reason);
    this.tell({ type: 'stopping', reason });
    this.askToEnd(undefined, signal);
  }

  /** It may ask again and again, but for no more in all than its own configuration could have given it. */
  extend(milliseconds: number): void {
    const { timeout, threadDump } = this.context.settings.stop;
    const { asked, killed, since } = this.model;
    if (!asked || killed) return;
    const left = since + Math.max(LONGEST_STOP, timeout) - this.context.now;
    if (left > 0) this.killAfter(Math.min(milliseconds, left), threadDump, 'extend-timer');
  }
}
