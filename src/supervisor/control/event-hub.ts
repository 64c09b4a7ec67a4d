import { messageLine } from '../../util/error.ts';
import type { DaemonEvent, DaemonStatus } from '../state/types.ts';

/** One thing that happened, as `metactl events --json` prints it: stable. */
export interface EventRecord {
  /** Counts from 1 in the life of a supervisor. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly app: string;
  readonly daemon: string;
  /** `starting`, `ready`, `ended` … as DaemonEvent, or `warning`, or `note`: what changed in the order of things. */
  readonly event: string;
  /** What it led to; null for warnings and notes. */
  readonly state: string | null;
  readonly [detail: string]: unknown;
}

interface Fields {
  readonly app: string;
  readonly daemon: string;
  readonly event: string;
  readonly state: string | null;
  readonly [detail: string]: unknown;
}

/** What is kept for those who ask later. */
const KEPT = 1000;

/** The last events of a supervisor's daemons, and whoever wants to hear of the next. */
export class EventHub {
  readonly #kept: EventRecord[] = [];
  readonly #listeners = new Set<(record: EventRecord) => void>();
  #seq = 0;

  add(app: string, daemon: string, event: DaemonEvent, status: DaemonStatus): EventRecord {
    return this.#add({ app, daemon, event: event.type, state: status.state, ...detailsOf(event) });
  }

  warn(app: string, daemon: string, text: string): EventRecord {
    return this.#add({ app, daemon, event: 'warning', state: null, text });
  }

  note(app: string, daemon: string, text: string): EventRecord {
    return this.#add({ app, daemon, event: 'note', state: null, text });
  }

  /** Goes on behind what another process kept. */
  goOn(kept: readonly EventRecord[], seq: number): void {
    this.#kept.push(...kept);
    this.#seq = seq;
  }

  /** Of the last one. */
  get seq(): number {
    return this.#seq;
  }

  /** Oldest first. */
  get kept(): readonly EventRecord[] {
    return this.#kept;
  }

  /** @returns a function that ends the listening. */
  listen(listener: (record: EventRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #add(fields: Fields): EventRecord {
    const record = { seq: ++this.#seq, time: new Date().toISOString(), ...fields };
    this.#kept.push(record);
    if (this.#kept.length > KEPT) this.#kept.shift();
    for (const listener of this.#listeners) listener(record);
    return record;
  }
}

/** What an event says besides its type, as plain data. Pure. */
export function detailsOf(event: DaemonEvent): Readonly<Record<string, unknown>> {
  switch (event.type) {
    case 'ended': {
      const { status, failed, cause, uptime } = event.exit;
      return { status, failed, cause, uptimeMs: Math.round(uptime) };
    }
    case 'start-failed':
      return { error: messageLine(event.error) };
    default: {
      const { type, ...details } = event as DaemonEvent & Readonly<Record<string, unknown>>;
      return details;
    }
  }
}
