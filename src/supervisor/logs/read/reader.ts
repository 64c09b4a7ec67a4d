import type { LogLine } from '../line.ts';

/** One line of a daemon's log. */
export interface LogRecord extends LogLine {
  readonly daemon: string;
}

/** Reads the log of one daemon, or of several that have one together. */
export interface LogReader {
  /**
   * Before the first `next`, where only the last lines are wanted. @returns how many `next` will give before there are no more
   * for now: as many as are wanted, or more; fewer where there are no more.
   */
  begin(last: number): Promise<number>;
  /**
   * Some of the next lines, oldest first; undefined where there are no more for now: until `watch` is called, none that came
   * after the beginning; afterwards later calls find what came since.
   */
  next(): Promise<readonly LogRecord[] | undefined>;
  /** Goes on with what comes. Calls back whenever there may be more. */
  watch(onMore: () => void): void;
  close(): void;
}

export interface Reading {
  /** Only so many lines of what there is. */
  readonly last: number | undefined;
  /** Goes on with what comes, until nobody wants more. */
  readonly follow: boolean;
  readonly emit: (record: LogRecord) => void;
  /** Called with few lines at a time, so that whoever prints may wait; false: nobody wants more. */
  readonly flush: () => Promise<boolean>;
}

/** Hands out the lines of several logs by their time, and closes them. */
export async function readLogs(readers: readonly LogReader[], reading: Reading): Promise<void> {
  const { last, follow, emit, flush } = reading;
  try {
    let skip = 0;
    if (last !== undefined) {
      // All at once: they begin at the same moment.
      const counts = await Promise.all(readers.map((reader) => reader.begin(last)));
      skip = counts.reduce((sum, count) => sum + count, 0) - last;
    }
    const past = (record: LogRecord) => {
      if (skip > 0) skip--;
      else emit(record);
    };
    let wanted = await mergeLogs(readers, past, flush);
    if (!follow) return;
    let more = () => {};
    let pending = true;
    for (const reader of readers) {
      reader.watch(() => {
        pending = true;
        more();
      });
    }
    while (wanted) {
      if (!pending) {
        await new Promise<void>((resolve) => {
          more = resolve;
        });
      }
      pending = false;
      wanted = await mergeLogs(readers, emit, flush);
    }
  } finally {
    for (const reader of readers) reader.close();
  }
}

interface Head {
  readonly reader: LogReader;
  batch: readonly LogRecord[];
  at: number;
}

/**
 * Hands out the lines of several logs by their time, until there are none for now. Lines of one log keep their order, also
 * where its clock was set back. @returns false: nobody wants more.
 */
export async function mergeLogs(
  readers: readonly LogReader[],
  emit: (record: LogRecord) => void,
  flush: () => Promise<boolean>,
): Promise<boolean> {
  const heads: Head[] = [];
  let rest = readers;
  for (;;) {
    // Also those that had none before: a log that never comes to its end must not keep others back.
    for (const reader of rest) {
      const batch = await reader.next();
      if (batch !== undefined) heads.push({ reader, batch, at: 0 });
    }
    if (heads.length === 0) return await flush();
    const first = heads.reduce((a, b) => (b.batch[b.at]!.time < a.batch[a.at]!.time ? b : a));
    const others = heads.filter((head) => head !== first).map(({ batch, at }) => batch[at]!.time);
    const until = Math.min(...others);
    do emit(first.batch[first.at++]!);
    while (first.at < first.batch.length && first.batch[first.at]!.time <= until);
    rest = [];
    if (first.at < first.batch.length) continue;
    if (!(await flush())) return false;
    heads.splice(heads.indexOf(first), 1);
    rest = readers.filter((reader) => heads.every((head) => head.reader !== reader));
  }
}
