import { type ChildProcess, spawn } from 'node:child_process';
import { EXIT, MetactlError } from '../../../util/error.ts';
import { EntryLines, type JournalEntry, parseEntry } from './journal-entry.ts';
import type { LogReader, LogRecord } from './reader.ts';

export interface JournalQuery {
  /** What lines have in the journal: `FIELD=value`, and `+` between what may be one or the other. */
  readonly matches: readonly string[];
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** Lines that are read ahead of their use; then journalctl waits. */
const AHEAD = 2000;

/**
 * What journalctl is called with. `reverse`: from the newest back; with `--lines` and `--since` together older ones give the
 * first lines instead of the last. `follow`: what comes after `after`, where there is something before. Pure.
 */
export function journalArguments(
  { matches, since }: JournalQuery,
  how: 'forward' | 'reverse' | 'follow',
  after?: string,
): string[] {
  return [
    ...['--output=json', '--all', '--no-pager', '--quiet'],
    ...(how === 'reverse' ? ['--reverse'] : how === 'follow' ? ['--follow', '--lines=all'] : []),
    ...(after !== undefined ? [`--after-cursor=${after}`] : since > 0 ? [`--since=@${since / 1000}`] : []),
    ...matches,
  ];
}

/** Reads an app's lines out of the journal, by the system's own journalctl. */
export class JournalReader implements LogReader {
  readonly #query: JournalQuery;
  readonly #entries = new EntryLines();
  #records: LogRecord[] = [];
  #child: ChildProcess | undefined;
  #ended = false;
  #follows = false;
  #failure: MetactlError | undefined;
  #cursor: string | undefined;
  #wake: () => void = () => {};

  constructor(query: JournalQuery) {
    this.#query = query;
  }

  /** @throws MetactlError METACTL_NO_JOURNAL where there is no journalctl, or it fails. */
  async begin(last: number): Promise<number> {
    const found: JournalEntry[] = [];
    let lines = 0;
    await new Promise<void>((resolve) => {
      // One is needed in any case: it tells where to go on.
      const enough = () => lines >= Math.max(1, last);
      const take = (entry: JournalEntry) => {
        if (enough()) return;
        found.push(entry);
        if (entry.line !== undefined) lines++;
        if (enough()) this.#stop();
      };
      this.#wake = () => {
        if (this.#ended) resolve();
      };
      this.#run('reverse', take);
    });
    if (this.#failure !== undefined) throw this.#failure;
    for (const entry of found.reverse()) this.#take(entry);
    return this.#records.length;
  }

  /** @throws MetactlError METACTL_NO_JOURNAL where there is no journalctl, or it fails. */
  async next(): Promise<readonly LogRecord[] | undefined> {
    if (this.#child === undefined) this.#run('forward');
    while (this.#records.length === 0 && !this.#ended && !this.#follows) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const records = this.#records;
    this.#records = [];
    if (records.length > 0) {
      this.#child?.stdout?.resume();
      return records;
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  watch(onMore: () => void): void {
    this.#follows = true;
    this.#wake = onMore;
    // Where nothing was found, all that is found from now on came later.
    this.#run('follow');
  }

  close(): void {
    this.#stop();
  }

  #stop(): void {
    this.#child?.removeAllListeners('close').kill();
    this.#ended = true;
    this.#wake();
  }

  #run(how: 'forward' | 'reverse' | 'follow', take = (entry: JournalEntry) => this.#take(entry)): void {
    const after = how === 'follow' ? this.#cursor : undefined;
    const child = spawn('journalctl', journalArguments(this.#query, how, after), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#ended = false;
    let rest = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const entry = parseEntry(line);
        if (entry !== undefined && entry.time >= this.#query.since) take(entry);
      }
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
    child.on('close', (code, signal) => {
      // One that follows has no end of its own.
      if (code === 0 && how !== 'follow') return end(undefined);
      end(noJournal([signal === null ? `it ended with status ${code}` : `${signal} ended it`, complaint.trim()]));
    });
  }

  #take(entry: JournalEntry): void {
    this.#cursor = entry.cursor;
    this.#records.push(...this.#entries.lines(entry));
  }
}

/** @param why an errno's name, or how it ended and what it said. */
function noJournal(why: string | readonly string[]): MetactlError {
  const missing = why === 'ENOENT';
  const text = typeof why === 'string' ? why : why.filter((part) => part !== '').join(': ');
  return new MetactlError(missing ? 'journalctl is not installed' : `journalctl failed: ${text}`, {
    code: 'METACTL_NO_JOURNAL',
    step: 'read the journal',
    hint: missing
      ? "the daemon's lines went to a log daemon that is not journald: look into its files, such as /var/log/syslog"
      : 'run journalctl by hand: it tells more',
    exitStatus: EXIT.error,
  });
}
