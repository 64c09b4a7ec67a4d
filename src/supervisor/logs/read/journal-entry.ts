import type { LogStreamName } from '../line.ts';
import type { LogRecord } from './reader.ts';

/** One entry of the journal that has to do with an app. */
export interface JournalEntry {
  readonly cursor: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** A daemon's line. */
  readonly line?: LogRecord;
  /** What its sender ran in: its unit and its cgroup. */
  readonly senders: readonly string[];
  /** Journald's own word that it dropped lines: how many, and of which unit (before systemd 230 or so: of which cgroup). */
  readonly dropped?: { readonly count: string; readonly sender: string };
}

/** sd-messages(3): SD_MESSAGE_JOURNAL_DROPPED. Only journald itself has this transport. */
export const DROPPED_MATCHES = ['MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e', '_TRANSPORT=driver'] as const;

/** A text or, where it is not printable, an array of bytes (systemd.journal-fields, JSON). */
type Field = string | readonly number[] | null | undefined;

/** One line of `journalctl -o json`. @returns undefined for what is no entry. Pure. */
export function parseEntry(text: string): JournalEntry | undefined {
  let entry: Record<string, Field>;
  try {
    entry = JSON.parse(text) as Record<string, Field>;
  } catch {
    return undefined;
  }
  const time = Math.floor(Number(entry.__REALTIME_TIMESTAMP) / 1000);
  if (!Number.isFinite(time)) return undefined;
  const { MESSAGE, METACTL_DAEMON, SYSLOG_IDENTIFIER, _TRANSPORT, _SYSTEMD_UNIT, _SYSTEMD_CGROUP } = entry;
  const bytes = typeof MESSAGE === 'string' ? Buffer.from(MESSAGE) : Buffer.from(MESSAGE ?? []);
  const cursor = String(entry.__CURSOR);
  if (_TRANSPORT === 'driver') {
    const [, count, sender] = /^Suppressed (\d+) messages from (\S+)$/.exec(bytes.toString()) ?? [];
    if (count === undefined || sender === undefined) return undefined;
    return { cursor, time, senders: [], dropped: { count, sender } };
  }
  const daemon = METACTL_DAEMON ?? String(SYSLOG_IDENTIFIER).replace(/^.*\//, '');
  const line = { daemon: String(daemon), time, ...lineOf(entry), text: bytes };
  const senders = [_SYSTEMD_UNIT, _SYSTEMD_CGROUP].filter((one) => typeof one === 'string');
  return { cursor, time, line, senders };
}

function lineOf(entry: Record<string, Field>): Pick<LogRecord, 'pid' | 'stream' | 'mark'> {
  const { METACTL_STREAM, METACTL_CONTINUED, METACTL_UNENDED, METACTL_PID, SYSLOG_PID } = entry;
  const stream: LogStreamName = METACTL_STREAM === 'err' || METACTL_STREAM === 'metactl' ? METACTL_STREAM : 'out';
  const mark = METACTL_CONTINUED === '1' ? '+' : METACTL_UNENDED === '1' ? '~' : ':';
  return { pid: Number(METACTL_PID ?? SYSLOG_PID ?? 0), stream, mark };
}

/** Turns entries into lines, oldest first. What journald dropped of others than the app's supervisor is none of its log. */
export class EntryLines {
  /** The daemon whose line came last, by what its supervisor ran in. */
  readonly #daemons = new Map<string, string>();
  /** Of senders that are not known yet: journald says it just before it takes the next line of the same one. */
  #waiting: JournalEntry[] = [];

  lines(entry: JournalEntry): LogRecord[] {
    const { line, senders, dropped } = entry;
    if (line === undefined) {
      const daemon = this.#daemons.get(dropped?.sender ?? '');
      if (daemon !== undefined) return [droppedLine(entry, daemon)];
      this.#waiting = [...this.#waiting.slice(-MOST_WAITING), entry];
      return [];
    }
    for (const sender of senders) this.#daemons.set(sender, line.daemon);
    if (this.#waiting.length === 0) return [line];
    const own = this.#waiting.filter((one) => senders.includes(one.dropped!.sender));
    this.#waiting = this.#waiting.filter((one) => !own.includes(one));
    return [...own.map((one) => droppedLine(one, line.daemon)), line];
  }
}

const MOST_WAITING = 100;

function droppedLine({ time, dropped }: JournalEntry, daemon: string): LogRecord {
  const { count, sender } = dropped!;
  const text = `lines are missing: journald dropped ${count} messages of ${sender}, over its rate limit`;
  return { daemon, time, pid: 0, stream: 'metactl', mark: ':', text: Buffer.from(text) };
}
