import { LONGEST_STOP } from '../../config/schema/lifecycle.ts';
import { LONGEST_START } from '../../config/schema/supervision.ts';
import type { Model } from './model.ts';
import { Turn } from './turn.ts';

const SIGTERM = 15;
const SIGCONT = 18;

/** Milliseconds that a JVM gets to print its threads before it is killed: the last second of timeout-stop-sec, or a quarter. */
const THREAD_DUMP = 1000;
/** Milliseconds after which what survived SIGKILL gets it again: the kernel may have been busy with it. */
const KILL_AGAIN = 5000;

/** Why one is killed that nobody had told to end. */
export const NEVER_ENDED = 'said that it stops, and did not end within timeout-stop-sec';

/** How one that is there is brought to its end. */
export class EndingTurn extends Turn {
  end(after: 'stop' | 'start', signal: number | undefined): void {
    const { phase, asked, state } = this.model;
    this.set({ after });
    if (asked) return;
    // By itself; it may have asked for time.
    const type = state === 'stopping' ? 'extend-timer' : 'set-timer';
    this.to('stopping');
    this.tell({ type: 'stopping', reason: undefined });
    if (phase === 'up') this.askToEnd(signal, undefined, type);
    else this.set({ pendingSignal: signal, asked: true });
  }

  /** @param signal used unless `kill-signal` is set. @param instead used in any case. */
  askToEnd(signal: number | undefined, instead?: number, type: 'set-timer' | 'extend-timer' = 'set-timer'): void {
    const { killSignal, timeout, threadDump } = this.context.settings.stop;
    this.set({ asked: true });
    this.actions.push({ type: 'signal', signal: instead ?? killSignal ?? signal ?? SIGTERM });
    // One that was stopped (SIGSTOP) could not obey.
    this.actions.push({ type: 'signal', signal: SIGCONT });
    this.killAfter(timeout, threadDump, type);
  }

  /** It says that it ends: it has as long for that as if it had been told to, as under systemd. What follows is its policy's matter. */
  endsItself(): void {
    const { timeout, threadDump } = this.context.settings.stop;
    this.to('stopping');
    this.tell({ type: 'stopping', reason: undefined });
    this.killAfter(timeout, threadDump);
  }

  killAfter(timeout: number, threadDump: boolean, type: 'set-timer' | 'extend-timer' = 'set-timer'): void {
    if (!Number.isFinite(timeout)) return;
    const lead = Math.min(THREAD_DUMP, timeout / 4);
    if (threadDump) this.actions.push({ type, name: 'thread-dump', delay: timeout - lead });
    this.actions.push({ type, name: 'kill', delay: timeout });
  }

  kill(after: Model['after'], timeout: boolean): void {
    const { phase, state, asked } = this.model;
    this.set({ after, asked: true, killed: true });
    if (timeout && !asked) {
      this.set({ fault: NEVER_ENDED });
      this.to('stopping', NEVER_ENDED);
    } else if (state !== 'stopping') {
      this.to('stopping');
      this.tell({ type: 'stopping', reason: undefined });
    }
    this.clear('thread-dump');
    if (phase !== 'up') return;
    this.tell({ type: 'killing', timeout });
    this.actions.push({ type: 'kill' }, { type: 'set-timer', name: 'kill', delay: KILL_AGAIN });
  }

  /** Ends it although nobody has asked for that, unless it is on its way to its end. */
  fault(reason: string, signal?: number): void {
    if (this.model.state === 'stopping') return;
    this.set({ fault: reason });
    this.to('stopping', reason);
    this.tell({ type: 'stopping', reason });
    this.askToEnd(undefined, signal);
  }

  /** It may ask again and again, but for no more in all than its own configuration could have given it. */
  extend(milliseconds: number): void {
    const { stop, reloadTimeout } = this.context.settings;
    const { state, killed } = this.model;
    if (state === 'reloading') {
      const delay = Math.min(milliseconds, this.#left(Math.max(LONGEST_START, reloadTimeout)));
      if (delay > 0) this.actions.push({ type: 'extend-timer', name: 'reload', delay });
    } else if (state === 'stopping' && !killed) {
      const delay = Math.min(milliseconds, this.#left(Math.max(LONGEST_STOP, stop.timeout)));
      if (delay > 0) this.killAfter(delay, stop.threadDump, 'extend-timer');
    }
  }

  /** Of so many milliseconds in the state that it is in. */
  #left(longest: number): number {
    return this.model.since + longest - this.context.now;
  }
}
