import type { Anticipation } from '../../../../src/host/anticipation.ts';
import type { DaemonSandbox, Ending, Sandbox, StdioPlan } from '../../../../src/host/host.ts';
import type { SandboxPlan } from '../../../../src/sandbox/plan.ts';
import type { Clock } from '../../../../src/supervisor/state/clock.ts';
import type { DaemonSettings } from '../../../../src/supervisor/state/settings.ts';
import { SupervisedDaemon, type SupervisedOptions } from '../../../../src/supervisor/state/supervised.ts';
import { ending, SETTINGS } from './machine-helper.ts';

/** A clock that tests move. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly call: () => void }>();

  now = () => this.#now;
  wall = () => this.#now + 1e12;
  random = () => 0;

  after(milliseconds: number, call: () => void): () => void {
    const timer = { at: this.#now + milliseconds, call };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Fires what is due on the way, and lets what that began go on. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = due.at;
      this.#timers.delete(due);
      due.call();
      await settle();
    }
    this.#now = until;
  }
}

/** Lets promises that have been settled have their effect. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** A sandbox that ends when the test says so, or on SIGTERM. */
export class FakeSandbox implements DaemonSandbox {
  readonly pid: number;
  readonly stdout = undefined;
  readonly stderr = undefined;
  readonly started: Promise<void>;
  readonly over: Promise<Ending>;
  readonly signals: number[] = [];
  /** What the supervisor allowed it, and took back. */
  readonly anticipated: (Anticipation | undefined)[] = [];
  #end!: (ending: Ending) => void;
  /** Does not end on SIGTERM. */
  stubborn = false;

  constructor(pid: number, failure: Error | undefined) {
    this.pid = pid;
    this.started = failure === undefined ? Promise.resolve() : Promise.reject(failure);
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    if (failure !== undefined) this.end({ code: 125 });
  }

  get ended(): Promise<Ending> {
    return this.over;
  }

  end(changes: Partial<Ending>): void {
    this.#end(ending(changes));
  }

  signal(signal: number): void {
    this.signals.push(signal);
    if (signal === 15 && !this.stubborn) this.end({ signal: 15 });
  }

  anticipate(what: Anticipation | undefined): void {
    this.anticipated.push(what);
  }

  kill(): void {
    this.end({ signal: 9 });
  }
}

/** A daemon whose sandboxes are fakes, in the order of their launch. */
export interface FakeDaemon {
  readonly daemon: SupervisedDaemon;
  readonly sandboxes: FakeSandbox[];
  /** The next launches fail with it. */
  failure: Error | undefined;
}

export function fakeDaemon(
  name: string,
  clock: Clock,
  settings: Partial<DaemonSettings> = {},
  more: Partial<SupervisedOptions> = {},
): FakeDaemon {
  const sandboxes: FakeSandbox[] = [];
  const fake: { failure: Error | undefined } = { failure: undefined };
  const daemon = new SupervisedDaemon({
    plan: { app: 'shop', daemon: name, limits: {} } as unknown as SandboxPlan,
    handle: {
      start: async (_plan: SandboxPlan, _io: StdioPlan) => {
        const sandbox = new FakeSandbox(100 + sandboxes.length, fake.failure);
        sandboxes.push(sandbox);
        return sandbox;
      },
      takeUp: () => sandboxes.at(-1),
    },
    output: () => ({ io: { stdin: 'null', stdout: 'pipe', stderr: 'pipe' }, attach: () => {} }),
    settings: { ...SETTINGS, ...settings },
    clock,
    ...more,
  });
  return Object.assign(fake, { daemon, sandboxes });
}

export type { Sandbox };
