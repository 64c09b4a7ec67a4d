import { type Dependencies, dependentsOf, directDependents, requirementsOf, waitingOf } from './order.ts';
import type { SupervisedDaemon } from './supervised.ts';
import type { DaemonState } from './types.ts';

/** States in which nothing of a daemon is there and nothing is to come by itself. */
const AT_REST: readonly DaemonState[] = ['stopped', 'failed', 'maintenance', 'disabled'];

/** Whether it stays as it is until somebody starts it. Pure. */
export function isAtRest(state: DaemonState): boolean {
  return AT_REST.includes(state);
}

/**
 * The daemons of one app in one supervisor, started and stopped in the order that `depends-on` gives:
 *
 * - A start takes what the daemon depends on along. What does not wait for each other starts at the same time.
 * - A stop takes what depends on the daemon along, and that goes first.
 * - A restart by hand is such a stop, followed by the start of all that ran.
 * - A daemon that fails and is started again by its restart policy takes nothing along: what depends on it runs on.
 */
export class DaemonGroup {
  readonly daemons: ReadonlyMap<string, SupervisedDaemon>;
  readonly #dependencies: Dependencies;
  /** The same the other way round. */
  readonly #direct: ReadonlyMap<string, readonly string[]>;
  /** To be stopped, with the signal for it, as soon as what depends on it has ended. */
  readonly #toStop = new Map<string, number | undefined>();
  /** To be started as soon as all of them have ended. */
  readonly #toStart = new Set<string>();
  readonly #listening: readonly (() => void)[];
  /** Those that something has happened to: only what depends on them may have got further. */
  readonly #changed = new Set<string>();
  /** Daemons of an earlier group may wait for something else now. */
  #fresh = true;
  #busy = false;
  #again = false;

  /** @param dependencies of these daemons; others that they name are nobody's concern here. */
  constructor(daemons: readonly SupervisedDaemon[], dependencies: Dependencies) {
    this.daemons = new Map(daemons.map((daemon) => [daemon.name, daemon]));
    this.#dependencies = dependencies;
    this.#direct = directDependents(dependencies);
    this.#listening = daemons.map((daemon) =>
      daemon.onEvent(() => {
        this.#changed.add(daemon.name);
        this.#advance();
      }),
    );
  }

  /**
   * Lets go of the daemons, which run on: another group takes them over.
   * @returns those that are still to be stopped, with the signal for it, which is that group's business then.
   */
  close(): ReadonlyMap<string, number | undefined> {
    for (const stop of this.#listening) stop();
    return this.#toStop;
  }

  /** Those that are still to be stopped, with the signal for it. */
  get toStop(): ReadonlyMap<string, number | undefined> {
    return this.#toStop;
  }

  /** Starts these daemons (all unless told) and what they depend on. */
  start(names: Iterable<string> = this.daemons.keys()): void {
    const wanted = new Set([...names].flatMap((name) => [name, ...requirementsOf(this.#dependencies, name)]));
    for (const name of wanted) this.#toStop.delete(name);
    for (const name of this.#inOrder(wanted)) this.daemons.get(name)?.start(this.#waiting(name).waitFor);
    this.#advance();
  }

  /** Stops these daemons (all unless told) and what depends on them, the last first. @param signal see `Daemon.stop`. */
  stop(names: Iterable<string> = this.daemons.keys(), signal?: number): void {
    const wanted = new Set([...names].flatMap((name) => [name, ...this.#dependentsOf(name)]));
    for (const name of wanted) {
      this.#toStart.delete(name);
      this.#toStop.set(name, signal);
    }
    this.#advance();
  }

  /** Stops these and what depends on them and runs, then starts the same again. */
  restart(names: Iterable<string> = this.daemons.keys()): void {
    const asked = [...names];
    const running = asked.flatMap((name) => [...this.#dependentsOf(name)]);
    const again = [...asked, ...running.filter((name) => !this.#isAtRest(name))];
    this.stop(asked);
    for (const name of again) this.#toStart.add(name);
    this.#advance();
  }

  /** Whether it is started again once it and what goes with it has ended. */
  isToStart(name: string): boolean {
    return this.#toStart.has(name);
  }

  /** SIGKILL for everything of these (all unless told) and of what depends on them. */
  kill(names: Iterable<string> = this.daemons.keys()): void {
    const wanted = new Set([...names].flatMap((name) => [name, ...this.#dependentsOf(name)]));
    for (const name of wanted) {
      this.#toStop.delete(name);
      this.#toStart.delete(name);
    }
    for (const name of wanted) this.daemons.get(name)?.kill();
  }

  /** Whether a daemon waits for others that won't come by themselves, or for one that does. */
  isStuck(name: string): boolean {
    const { state, pid } = this.daemons.get(name)!.status();
    if (state !== 'starting' || pid !== undefined) return false;
    const { waitFor, lost } = this.#waiting(name);
    return lost || waitFor.some((other) => this.isStuck(other));
  }

  /** @returns what a daemon waits for, in words. */
  whyStuck(name: string): string {
    return this.#waiting(name).text;
  }

  #isAtRest(name: string): boolean {
    return isAtRest(this.daemons.get(name)!.status().state);
  }

  #dependentsOf(name: string): ReadonlySet<string> {
    return dependentsOf(this.#dependencies, name, this.#direct);
  }

  #waiting(name: string) {
    return waitingOf(this.#dependencies.get(name) ?? new Map(), (other) => this.daemons.get(other)?.status());
  }

  /** What a daemon depends on before the daemon. */
  #inOrder(names: ReadonlySet<string>): readonly string[] {
    const depths = new Map([...names].map((name) => [name, requirementsOf(this.#dependencies, name).size]));
    return [...names].sort((a, b) => depths.get(a)! - depths.get(b)!);
  }

  /** Something has changed: does what can be done now. What that leads to calls back here. */
  #advance(): void {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#again) {
        this.#again = false;
        this.#stopWhatCan();
        this.#startWhatCan();
        this.#tellDependents();
      }
    } finally {
      this.#busy = false;
    }
  }

  /** One with a hundred daemons must not look at all of them whenever one of them moves. */
  #tellDependents(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    const names = this.#fresh ? this.daemons.keys() : new Set(changed.flatMap((one) => this.#direct.get(one) ?? []));
    this.#fresh = false;
    for (const name of names) {
      const { waitFor, text } = this.#waiting(name);
      this.daemons.get(name)?.dependencies(waitFor, text);
    }
  }

  #stopWhatCan(): void {
    for (const [name, signal] of [...this.#toStop]) {
      const daemon = this.daemons.get(name);
      const blocked = [...this.#dependentsOf(name)].some((other) => !this.#isAtRest(other));
      // One that waits for its next start has nothing that others could still need.
      if (blocked && daemon?.status().pid !== undefined) continue;
      this.#toStop.delete(name);
      if (!this.#isAtRest(name)) daemon?.stop(signal);
    }
  }

  #startWhatCan(): void {
    const names = [...this.#toStart];
    if (names.length === 0 || !names.every((name) => this.#isAtRest(name))) return;
    this.#toStart.clear();
    this.start(names);
  }
}
