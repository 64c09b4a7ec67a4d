import type { LogLine } from '../line.ts';

/** One line of a daemon's log. */
export interface LogRecord extends LogLine {
  readonly daemon: string;
}

/** Reads one daemon's log from its beginning, or the moment it was told, on. */
export interface LogReader {
  /** Some of the next lines, oldest first; undefined where there are no more for now. Later calls find what came since. */
  next(): Promise<readonly LogRecord[] | undefined>;
  /** Calls back whenever there may be more. */
  watch(onMore: () => void): void;
  close(): void;
}

/**
 * Hands out the lines of several logs by their time, until there are none for now. Lines of one log keep their order, also
 * where its clock was set back. @param flush called with few lines at a time, so that whoever prints may wait; false: nobody
 * wants more.
 */
export async function mergeLogs(
  readers: readonly LogReader[],
  emit: (record: LogRecord) => void,
  flush: () => Promise<boolean>,
): Promise<void> {
  interface Head {
    readonly reader: LogReader;
    batch: readonly LogRecord[];
    at: number;
  }
  const heads: Head[] = [];
  for (const reader of readers) {
    const batch = await reader.next();
    if (batch !== undefined) heads.push({ reader, batch, at: 0 });
  }
  while (heads.length > 0) {
    const first = heads.reduce((a, b) => (b.batch[b.at]!.time < a.batch[a.at]!.time ? b : a));
    const others = heads.filter((head) => head !== first).map(({ batch, at }) => batch[at]!.time);
    const until = Math.min(...others);
    do emit(first.batch[first.at++]!);
    while (first.at < first.batch.length && first.batch[first.at]!.time <= until);
    if (first.at < first.batch.length) continue;
    if (!(await flush())) return;
    const batch = await first.reader.next();
    if (batch === undefined) heads.splice(heads.indexOf(first), 1);
    else Object.assign(first, { batch, at: 0 });
  }
  await flush();
}
