import type { EventRecord } from './event-hub.ts';

/** Of all apps together. */
const MOST = 1000;

interface AppCounts {
  total: number;
  readonly daemons: Map<string, number>;
}

/**
 * The events that are kept for those who ask later. Where there is no room for another one, the oldest of the app that has the
 * most goes, and there of the daemon that has the most: no app can push out what others have said. Of what a daemon says about
 * itself only the last is kept.
 */
export class KeptEvents {
  readonly #records: EventRecord[] = [];
  readonly #apps = new Map<string, AppCounts>();

  /** Oldest first. */
  get records(): readonly EventRecord[] {
    return this.#records;
  }

  add(record: EventRecord): void {
    const { app, daemon, event } = record;
    const counts = this.#apps.get(app) ?? { total: 0, daemons: new Map<string, number>() };
    this.#apps.set(app, counts);
    if (event === 'status-text' && counts.daemons.has(daemon)) this.#remove(app, daemon, event);
    this.#records.push(record);
    counts.total++;
    counts.daemons.set(daemon, (counts.daemons.get(daemon) ?? 0) + 1);
    if (this.#records.length > MOST) this.#makeRoom();
  }

  #makeRoom(): void {
    const [app, { daemons }] = largest(this.#apps, ({ total }) => total);
    const [daemon] = largest(daemons, (count) => count);
    this.#remove(app, daemon);
  }

  /** The oldest one. */
  #remove(app: string, daemon: string, event?: string): void {
    const isIt = (one: EventRecord) =>
      one.app === app && one.daemon === daemon && (event === undefined || one.event === event);
    const at = this.#records.findIndex(isIt);
    if (at < 0) return;
    this.#records.splice(at, 1);
    const counts = this.#apps.get(app)!;
    const left = counts.daemons.get(daemon)! - 1;
    counts.total--;
    if (left > 0) counts.daemons.set(daemon, left);
    else counts.daemons.delete(daemon);
    if (counts.total === 0 && event === undefined) this.#apps.delete(app);
  }
}

/** The first of the largest. Pure. */
function largest<T>(all: ReadonlyMap<string, T>, sizeOf: (one: T) => number): [string, T] {
  return [...all].reduce((best, one) => (sizeOf(one[1]) > sizeOf(best[1]) ? one : best));
}
