import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { LONGEST_START } from '../../config/schema/supervision.ts';
import type { Sandbox } from '../../host/host.ts';
import type { Notification, NotifySocket } from '../../host/notify.ts';
import { formatDuration } from '../../util/duration.ts';
import type { HandedReadiness, Readiness, ReadinessReport } from '../state/types.ts';
import { type HealthWatch, watchHealth } from './health.ts';
import type { Inside } from './inside.ts';
import { type LineMatcher, type LineWatch, watchLines } from './log-match.ts';
import { type NotifyMessage, parseNotification } from './notify-message.ts';
import { ask, pauseAfter } from './probe.ts';
import type { AskedProbe, Condition, HealthSettings, ReadinessSettings } from './settings.ts';
import { Watchdog } from './watchdog.ts';

/** What a watch needs of the world around it. */
export interface ReadinessWorld {
  /** The running daemon behind a sandbox; undefined where it is gone. */
  readonly inside: (sandbox: Sandbox) => Promise<Inside | undefined>;
  readonly notify: NotifySocket | undefined;
  /** The host's pid of a process that the daemon knows by another. */
  readonly hostPid: (insidePid: number) => number | undefined;
  /** One line for the administrator. @param note nothing is wrong. */
  readonly log: (line: string, note?: boolean) => void;
}

/** How long one attempt to find a daemon ready may take, where no `health.timeout` says so. ms */
const ATTEMPT = 3000;

/** What the watch of the same start knew in the process before this one, and what this one's clock shows more, in ms. */
export interface ResumedReadiness {
  readonly handed: HandedReadiness;
  readonly by: number;
}

/** Watches one start of one daemon; made anew for each. */
export function watchReadiness(
  settings: ReadinessSettings,
  world: ReadinessWorld,
  resumed?: ResumedReadiness,
): Readiness {
  return new ReadinessWatch(settings, world, resumed);
}

class ReadinessWatch implements Readiness {
  readonly #settings: ReadinessSettings;
  readonly #world: ReadinessWorld;
  readonly #end = new AbortController();
  readonly #watchdog: Watchdog;
  /** Pids inside that it named as its main process. */
  readonly #mains = new Set<number>();
  readonly #told = new Set<string>();
  #report: (report: ReadinessReport) => void = () => {};
  #inside: Promise<Inside | undefined> | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #deadlineAt = 0;
  /** By this process's clock, which may have begun later: no number stands for not yet. */
  #startedAt: number | undefined;
  #ready = false;
  #reloading = false;
  /** Why it was not ready at the last attempt. */
  #lastProblem = '';
  readonly #health: HealthWatch;
  #lines: Partial<Record<'stdout' | 'stderr', LineWatch>> = {};
  #resumed: ResumedReadiness | undefined;

  constructor(settings: ReadinessSettings, world: ReadinessWorld, resumed?: ResumedReadiness) {
    this.#settings = settings;
    this.#world = world;
    this.#watchdog = new Watchdog(settings.watchdog, () => this.#report({ type: 'watchdog' }));
    this.#health = {
      failures: 0,
      uptime: () => this.#uptime,
      unwell: (problem) => this.#unwell(problem),
      well: () => this.#well(),
    };
    if (resumed !== undefined) this.#resume(resumed);
  }

  #resume({ handed, by }: ResumedReadiness): void {
    this.#resumed = { handed, by };
    this.#ready = handed.ready;
    this.#reloading = handed.reloading;
    this.#startedAt = handed.startedAt === undefined ? undefined : handed.startedAt + by;
    this.#lastProblem = handed.lastProblem;
    this.#health.failures = handed.unwell;
    for (const line of handed.told) this.#told.add(line);
  }

  handOver(): HandedReadiness {
    return {
      ready: this.#ready,
      reloading: this.#reloading,
      startedAt: this.#startedAt,
      deadlineAt: this.#deadline === undefined ? Number.POSITIVE_INFINITY : this.#deadlineAt,
      lastProblem: this.#lastProblem,
      told: [...this.#told],
      watchdog: this.#watchdog.handOver(),
      unwell: this.#health.failures,
      lines: { stdout: this.#lines.stdout?.rest ?? '', stderr: this.#lines.stderr?.rest ?? '' },
    };
  }

  watch(sandbox: Sandbox, report: (report: ReadinessReport) => void): void {
    this.#report = (one) => {
      if (!this.#end.signal.aborted) report(one);
    };
    this.#world.notify?.listen(sandbox.pid, (message) => this.#hear(message));
    if (this.#resumed !== undefined) this.#watchdog.goOn(this.#resumed.handed.watchdog, this.#resumed.by);
    const { ready } = this.#settings;
    if (sandbox.ready !== undefined) this.#watchDescriptor(sandbox.ready);
    if (ready?.kind === 'log' && !this.#ready) queueMicrotask(() => this.#watchOutput(sandbox, ready.matches));
    sandbox.started.then(
      () => this.#begin(sandbox),
      () => {},
    );
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#watchdog.stop();
    clearTimeout(this.#deadline);
    void this.#inside?.then((inside) => inside?.close());
  }

  /** Milliseconds; 0 before it has started. */
  get #uptime(): number {
    return this.#startedAt === undefined ? 0 : performance.now() - this.#startedAt;
  }

  #begin(sandbox: Sandbox): void {
    if (this.#end.signal.aborted) return;
    this.#world.notify?.executed();
    // Not where the process before has begun already.
    this.#startedAt ??= performance.now();
    const { ready, readyTimeout, health } = this.#settings;
    const probe = ready !== undefined && isAsked(ready) ? ready : undefined;
    if (probe !== undefined || health !== undefined) {
      this.#inside = this.#world.inside(sandbox);
      this.#inside.catch(() => {});
    }
    // It may have said so before this process knew that it runs.
    if (ready === undefined || this.#ready) {
      this.#settled();
      return;
    }
    const { handed, by } = this.#resumed ?? {};
    if (handed?.startedAt === undefined) this.#setDeadline(readyTimeout);
    else this.#setDeadline(Math.max(handed.deadlineAt + by! - performance.now(), 1));
    if (probe !== undefined) void this.#askUntilReady(probe);
  }

  #setDeadline(milliseconds: number): void {
    this.#deadlineAt = performance.now() + milliseconds;
    clearTimeout(this.#deadline);
    if (!Number.isFinite(milliseconds)) return;
    this.#deadline = setTimeout(() => this.#late(), milliseconds);
    this.#deadline.unref();
  }

  #late(): void {
    // What has arrived meanwhile is heard first, as in Watchdog.
    setImmediate(() => {
      if (this.#ready || this.#end.signal.aborted) return;
      const left = this.#deadlineAt - performance.now();
      if (left > 0) {
        // It asked for more time just now, or the timer was a fraction of a millisecond early.
        this.#setDeadline(Math.ceil(left));
        return;
      }
      const within = formatDuration(Math.round(this.#uptime));
      const why = this.#lastProblem === '' ? '' : `: ${this.#lastProblem}`;
      this.#report({ type: 'failed', reason: `not ready within ${within}${why}` });
    });
  }

  async #askUntilReady(probe: AskedProbe): Promise<void> {
    const timeout = this.#settings.health?.timeout ?? ATTEMPT;
    const inside = await this.#inside?.catch((error: Error) => {
      this.#lastProblem = error.message;
      return undefined;
    });
    for (let attempt = 0; inside !== undefined && !this.#end.signal.aborted; attempt++) {
      const problem = await ask(inside, probe, timeout, this.#end.signal);
      if (this.#end.signal.aborted) return;
      if (problem === undefined) {
        this.#becomeReady();
        return;
      }
      this.#lastProblem = problem;
      await sleep(pauseAfter(attempt), undefined, { signal: this.#end.signal, ref: false }).catch(() => {});
    }
  }

  #watchOutput(sandbox: Sandbox, matches: LineMatcher): void {
    const stop = () => {
      for (const watch of Object.values(this.#lines)) watch.stop();
      this.#lines = {};
    };
    const found = () => {
      stop();
      this.#becomeReady();
    };
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = sandbox[name];
      const begun = this.#resumed?.handed.lines[name];
      if (stream !== undefined) this.#lines[name] = watchLines(stream, matches, found, begun);
    }
    this.#end.signal.addEventListener('abort', stop);
  }

  /** A newline, as with s6. What else comes is read, so that nobody waits for a reader. */
  #watchDescriptor(stream: Readable): void {
    stream.on('data', (chunk: Buffer) => {
      if (chunk.includes(10)) this.#becomeReady();
    });
    stream.once('end', () => {
      this.#lastProblem = 'it closed the descriptor without a newline';
    });
    stream.once('error', () => stream.destroy());
    this.#end.signal.addEventListener('abort', () => stream.destroy());
  }

  #becomeReady(): void {
    if (this.#ready || this.#end.signal.aborted) return;
    this.#ready = true;
    clearTimeout(this.#deadline);
    this.#report({ type: 'ready' });
    // It may say so before this process knew that it runs.
    const seconds = this.#uptime / 1000;
    this.#world.log(`ready after ${seconds.toFixed(seconds < 0.1 ? 3 : 1)} s`, true);
    if (this.#startedAt !== undefined) this.#settled();
  }

  /** It has started: health and watchdog count from now on. */
  #settled(): void {
    this.#ready = true;
    const { handed } = this.#resumed ?? {};
    // Else it goes on as it counted in the process before.
    if (handed?.ready !== true || handed.startedAt === undefined) this.#watchdog.start();
    const { health } = this.#settings;
    if (health !== undefined) void this.#watchHealth(health);
  }

  async #watchHealth(health: HealthSettings): Promise<void> {
    const inside = await this.#inside?.catch(() => undefined);
    if (inside === undefined || this.#end.signal.aborted) return;
    await watchHealth(inside, health, this.#health, this.#end.signal);
  }

  #well(): void {
    const { action } = this.#settings.health!;
    if (action === 'none') this.#status('');
    else if (action === 'alert') {
      this.#report({ type: 'well' });
      this.#world.log('well again', true);
    }
  }

  #unwell(problem: string): void {
    const { action, threshold } = this.#settings.health!;
    const reason = `not well ${threshold} times in a row: ${problem}`;
    if (action === 'restart') this.#report({ type: 'failed', reason });
    else if (action === 'alert') this.#report({ type: 'unwell', reason });
    else this.#status(reason);
  }

  #status(text: string): void {
    this.#report({ type: 'status-text', text });
  }

  #hear(notification: Notification): void {
    const { text, pid, problem } = notification;
    const message = text === undefined || problem !== undefined ? undefined : parseNotification(text);
    if (problem === 'foreign') this.#tellOnce(`process ${pid} is none of its: what it says by sd_notify is ignored`);
    else if (message === undefined)
      this.#tellOnce(`a message by sd_notify is ${problem ?? 'malformed'}: it is ignored`);
    else {
      this.#keep(message, notification);
      this.#obey(message);
    }
  }

  #keep({ store, forget }: NotifyMessage, { descriptors, keep }: Notification): void {
    if (forget !== undefined) this.#world.notify?.forget(forget);
    if (store === undefined || descriptors === 0) return;
    const most = this.#settings.store;
    if (keep(store.name, most, store.watched) === 0) return;
    this.#tellOnce(
      `it leaves more descriptors (FDSTORE) than \`file-descriptor-store-max = ${most}\` allows, or names of more than 64 KiB: they are closed`,
    );
  }

  #obey(message: NotifyMessage): void {
    const { status, errno, watchdog, watchdogTime, extendTimeout, mainPid } = message;
    if (status !== undefined || errno !== undefined) this.#status(statusOf(status, errno));
    if (extendTimeout !== undefined) this.#extend(extendTimeout);
    if (watchdogTime !== undefined) this.#watchdog.setTime(watchdogTime);
    if (watchdog === 'alive') this.#watchdog.alive();
    if (watchdog === 'trigger') this.#report({ type: 'watchdog' });
    if (mainPid !== undefined) this.#mainProcess(mainPid);
    if (message.stopping) {
      this.#watchdog.stop();
      this.#report({ type: 'stopping' });
    } else if (message.reloading) {
      this.#reloading = true;
      this.#report({ type: 'reloading' });
    }
    if (message.ready && !message.stopping) this.#saysReady();
  }

  #saysReady(): void {
    if (this.#reloading && this.#ready) this.#report({ type: 'ready' });
    this.#reloading = false;
    if (this.#settings.ready?.kind === 'notify') this.#becomeReady();
  }

  #extend(milliseconds: number): void {
    const { ready, readyTimeout } = this.#settings;
    if (ready !== undefined && !this.#ready && this.#startedAt !== undefined) {
      // It may ask again and again, but for no more in all than its own configuration could have given it.
      const last = this.#startedAt + Math.max(readyTimeout, LONGEST_START);
      const now = performance.now();
      const deadline = Math.min(now + milliseconds, last);
      if (deadline > Math.max(this.#deadlineAt, now)) this.#setDeadline(deadline - now);
    }
    this.#report({ type: 'extend', milliseconds });
  }

  /** The sandbox ends with the process that was started, whoever is the main one; so this is only told. */
  #mainProcess(insidePid: number): void {
    if (this.#mains.has(insidePid) || this.#mains.size >= MOST_MAINS) return;
    this.#mains.add(insidePid);
    const pid = this.#world.hostPid(insidePid);
    if (pid === undefined) this.#tellOnce(`it names a main process that it does not have (MAINPID=${insidePid})`);
    else this.#tellOnce(`its main process is ${pid} (${insidePid} inside)`);
  }

  #tellOnce(line: string): void {
    if (this.#told.has(line) || this.#told.size >= MOST_LINES) return;
    this.#told.add(line);
    this.#world.log(line);
  }
}

function isAsked(condition: Condition): condition is AskedProbe {
  return condition.kind === 'tcp' || condition.kind === 'http' || condition.kind === 'exec';
}

/** Main processes of one start that are looked for: all its processes are read each time, and it may have thousands. */
const MOST_MAINS = 4;

/** Lines about one start: what the app makes up must not fill anybody's log. */
const MOST_LINES = 10;

function statusOf(status: string | undefined, errno: number | undefined): string {
  if (errno === undefined) return status ?? '';
  const name = errorName(errno);
  return status === undefined || status === '' ? name : `${status} (${name})`;
}

function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `error ${errno}`;
  }
}
