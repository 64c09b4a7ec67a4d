import { messageLine } from '../../util/error.ts';
import type { DaemonEvent, DaemonStatus } from '../state/types.ts';
import { EventLimits } from './event-limits.ts';
import { KeptEvents } from './kept-events.ts';
import { StatusTexts } from './status-texts.ts';

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

type Details = Readonly<Record<string, unknown>>;

/** After these it does nothing more until somebody starts it: no daemon can bring many of them about. */
const ALWAYS: readonly string[] = ['stopped', 'failed', 'maintenance'];

/**
 * The last events of a supervisor's daemons, and whoever wants to hear of the next. What a daemon can bring about at will is
 * limited: see EventLimits, KeptEvents and StatusTexts.
 */
export class EventHub {
  readonly #kept = new KeptEvents();
  readonly #limits = new EventLimits((app, daemon, text) =>
    this.#add({ app, daemon, event: 'note', state: null, text }),
  );
  readonly #texts = new StatusTexts((app, daemon, text, state) =>
    this.#add({ app, daemon, event: 'status-text', state, text }),
  );
  readonly #listeners = new Set<(record: EventRecord) => void>();
  #seq = 0;

  /** A status text may be told later, or never. @returns undefined where it is not told now. */
  add(app: string, daemon: string, event: DaemonEvent, status: DaemonStatus): EventRecord | undefined {
    const { type } = event;
    const { state } = status;
    if (type === 'status-text') {
      this.#texts.hear(app, daemon, event.text, state);
      return undefined;
    }
    if (type === 'ended') this.#texts.end(app, daemon);
    if (!this.#limits.passes(app, daemon, state, ALWAYS.includes(type))) return undefined;
    return this.#add({ app, daemon, event: type, state, ...detailsOf(event) });
  }

  /** @returns undefined where there are too many. */
  warn(app: string, daemon: string, text: string, details: Details = {}): EventRecord | undefined {
    return this.#say(app, daemon, 'warning', text, details);
  }

  /** @returns undefined where there are too many. */
  note(app: string, daemon: string, text: string): EventRecord | undefined {
    return this.#say(app, daemon, 'note', text);
  }

  /** Somebody does something with the app: what comes of that is told, whatever was told before. */
  forgive(app: string): void {
    this.#limits.forgive(app);
  }

  /** Goes on behind what another process kept. */
  goOn(kept: readonly EventRecord[], seq: number): void {
    for (const record of kept) this.#kept.add(record);
    this.#seq = seq;
  }

  /** Of the last one. */
  get seq(): number {
    return this.#seq;
  }

  /** Oldest first. */
  get kept(): readonly EventRecord[] {
    return this.#kept.records;
  }

  /** @returns a function that ends the listening. */
  listen(listener: (record: EventRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #say(
    app: string,
    daemon: string,
    event: 'warning' | 'note',
    text: string,
    details: Details = {},
  ): EventRecord | undefined {
    if (!this.#limits.passes(app, daemon, null)) return undefined;
    return this.#add({ app, daemon, event, state: null, text, ...details });
  }

  #add(fields: Fields): EventRecord {
    const record = { seq: ++this.#seq, time: new Date().toISOString(), ...fields };
    this.#kept.add(record);
    for (const listener of this.#listeners) listener(record);
    return record;
  }
}

/** What an event says besides its type, as plain data. Pure. */
export function detailsOf(event: DaemonEvent): Details {
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
