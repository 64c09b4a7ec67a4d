import { type ChildProcess, spawn } from 'node:child_process';
import { EXIT, MetactlError } from '../../../util/error.ts';
import type { LogStreamName } from '../line.ts';
import type { LogReader, LogRecord } from './reader.ts';

export interface JournalReaderOptions {
  readonly daemon: string;
  /** What its lines have in the journal: `FIELD=value`. */
  readonly matches: readonly string[];
  readonly since: number;
  readonly last: number | undefined;
  /** Go on with what comes later. */
  readonly follow: boolean;
}

/** Lines that are read ahead of their use; then journalctl waits. */
const AHEAD = 2000;

/** What journalctl is called with. Pure. */
export function journalArguments({ matches, since, last, follow }: JournalReaderOptions, after?: string): string[] {
  const from = after === undefined ? (since > 0 ? [`--since=@${since / 1000}`] : []) : [`--after-cursor=${after}`];
  const amount = after !== undefined ? ['--lines=all'] : last === undefined ? [] : [`--lines=${last}`];
  return [
    '--output=json',
    '--all',
    '--no-pager',
    '--quiet',
    ...(follow ? ['--follow'] : []),
    ...amount,
    ...from,
    ...matches,
  ];
}

/** A text or, where it is not printable, an array of bytes (systemd.journal-fields, JSON). */
type Field = string | readonly number[] | null | undefined;

/** One line of `journalctl -o json`. @returns undefined for what is no entry. Pure. */
export function parseEntry(daemon: string, line: string): { record: LogRecord; cursor: string } | undefined {
  let entry: Record<string, Field>;
  try {
    entry = JSON.parse(line) as Record<string, Field>;
  } catch {
    return undefined;
  }
  const time = Number(entry.__REALTIME_TIMESTAMP) / 1000;
  if (!Number.isFinite(time)) return undefined;
  const { MESSAGE, METACTL_STREAM, METACTL_UNENDED, METACTL_PID, SYSLOG_PID, __CURSOR } = entry;
  const stream = METACTL_STREAM === 'err' || METACTL_STREAM === 'metactl' ? METACTL_STREAM : 'out';
  const record = {
    daemon,
    time: Math.floor(time),
    pid: Number(METACTL_PID ?? SYSLOG_PID ?? 0),
    stream: stream as LogStreamName,
    mark: METACTL_UNENDED === '1' ? ('+' as const) : (':' as const),
    text: typeof MESSAGE === 'string' ? Buffer.from(MESSAGE) : Buffer.from(MESSAGE ?? []),
  };
  return { record, cursor: String(__CURSOR) };
}

/** Reads a daemon's lines out of the journal, by the system's own journalctl. */
export class JournalReader implements LogReader {
  readonly #options: JournalReaderOptions;
  readonly #records: LogRecord[] = [];
  #child: ChildProcess | undefined;
  #ended = false;
  #following = false;
  #failure: MetactlError | undefined;
  #cursor: string | undefined;
  #wake: () => void = () => {};

  constructor(options: JournalReaderOptions) {
    this.#options = options;
  }

  /** @throws MetactlError METACTL_NO_JOURNAL where there is no journalctl, or it fails. */
  async next(): Promise<readonly LogRecord[] | undefined> {
    if (this.#child === undefined) this.#run({ ...this.#options, follow: false });
    while (this.#records.length === 0 && !this.#ended && !this.#following) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    const records = this.#records.splice(0);
    this.#child?.stdout?.resume();
    return records.length === 0 ? undefined : records;
  }

  watch(onMore: () => void): void {
    this.#following = true;
    this.#ended = false;
    this.#wake = onMore;
    this.#run(this.#options, this.#cursor);
  }

  close(): void {
    this.#child?.kill();
  }

  #run(options: JournalReaderOptions, after?: string): void {
    // Whoever sees nothing at the end of the past wants only what is new.
    const args = journalArguments(after === undefined && options.follow ? { ...options, last: 0 } : options, after);
    const child = spawn('journalctl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let rest = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#take(line);
      if (this.#records.length > AHEAD) child.stdout.pause();
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = `${complaint}${text}`.slice(0, 500);
    });
    const end = (failure: MetactlError | undefined) => {
      this.#failure ??= failure;
      this.#ended = true;
      this.#wake();
    };
    child.on('error', (error: NodeJS.ErrnoException) => end(noJournal(error.code ?? error.message)));
    child.on('close', (code, signal) => end(code === 0 || signal !== null ? undefined : noJournal(complaint.trim())));
  }

  #take(line: string): void {
    const parsed = parseEntry(this.#options.daemon, line);
    if (parsed === undefined) return;
    this.#cursor = parsed.cursor;
    if (parsed.record.time >= this.#options.since) this.#records.push(parsed.record);
  }
}

function noJournal(why: string): MetactlError {
  const missing = why === 'ENOENT';
  return new MetactlError(missing ? 'journalctl is not installed' : `journalctl failed: ${why}`, {
    code: 'METACTL_NO_JOURNAL',
    step: 'read the journal',
    hint: missing
      ? "the daemon's lines went to a log daemon that is not journald: look into its files, such as /var/log/syslog"
      : 'run journalctl by hand: it tells more',
    exitStatus: EXIT.error,
  });
}
