import { parseLine } from '../line.ts';
import { Lines, LONGEST } from './lines.ts';
import type { OpenedFile } from './opened-file.ts';

const CHUNK = 64 * 1024;

/** Lines of a file that will be shown when it is read from `offset` on. */
export interface Tail {
  /** Where a line begins; 0 of a compressed file. */
  readonly offset: number;
  readonly count: number;
  /** Lines at its beginning that tell no time: they have that of the line before, which is in an older file. */
  readonly lead: number;
  /** Of the last line that tells one, milliseconds since the epoch. */
  readonly lastTime: number | undefined;
}

export interface TailQuery {
  readonly since: number;
  /** No more are needed; there may be more. */
  readonly wanted: number;
  /** Bytes that count. */
  readonly end: number;
  /** Whether what comes after the last line feed is a line, too. */
  readonly complete: boolean;
}

/** Finds a file's last lines, from its end; one that is compressed is read from the beginning. Reading begins anew afterwards. */
export async function findTail(file: OpenedFile, query: TailQuery): Promise<Tail> {
  return file.compressed ? await countAll(file, query) : await fromTheEnd(file, query);
}

async function countAll(file: OpenedFile, { since }: TailQuery): Promise<Tail> {
  const lines = new Lines();
  let [count, lead] = [0, 0];
  let lastTime: number | undefined;
  const add = (line: Buffer) => {
    lastTime = parseLine(line)?.time ?? lastTime;
    if (lastTime === undefined) lead++;
    else if (lastTime >= since) count++;
  };
  for (let chunk = await file.next(); chunk !== undefined; chunk = await file.next()) lines.push(chunk, add);
  lines.end(add);
  file.rewind();
  return { offset: 0, count, lead, lastTime };
}

async function fromTheEnd(file: OpenedFile, { since, wanted, end, complete }: TailQuery): Promise<Tail> {
  let [count, lead] = [0, 0];
  let lastTime: number | undefined;
  /** The first bytes of what has been looked at: a line whose beginning is still to come. */
  let rest: Buffer = Buffer.alloc(0);
  let ended = complete;
  for (let to = end; to > 0; ) {
    const from = Math.max(0, to - CHUNK);
    const bytes = Buffer.concat([await file.bytes(from, to), rest]);
    // Of a file that somebody cut meanwhile nothing is sure.
    if (bytes.length !== to - from + rest.length) break;
    let lineEnd = bytes.length;
    for (let feed = bytes.lastIndexOf(10); ; feed = lineEnd > 0 ? bytes.lastIndexOf(10, lineEnd - 1) : -1) {
      if (feed < 0 && from > 0) break;
      const start = feed + 1;
      if (ended && lineEnd > start) {
        const time = parseLine(bytes.subarray(start, lineEnd))?.time;
        if (time === undefined) lead++;
        else {
          lastTime ??= time;
          if (time >= since) count += lead + 1;
          lead = 0;
          if (count >= wanted) return { offset: from + start, count, lead: 0, lastTime };
        }
      }
      ended = true;
      if (feed < 0) break;
      lineEnd = feed;
    }
    rest = bytes.subarray(0, lineEnd);
    if (rest.length > LONGEST) {
      lead++;
      rest = rest.subarray(0, 0);
    }
    to = from;
  }
  return { offset: 0, count, lead, lastTime };
}
