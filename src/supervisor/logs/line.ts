/**
 * The form of a line in a log file: `2026-11-26T16:25:01.123Z 4711 out: text`. Time (UTC) when it was read, host pid of
 * the daemon's sandbox, stream, and how the line ended: `:` by the daemon, `+` it goes on in the next one of its stream,
 * `~` the daemon never ended it. The text is what the daemon wrote, byte for byte.
 */
import type { LineHead } from '../../host/log-host.ts';

/** `metactl`: what the supervisor has to say about the log itself. */
export type LogStreamName = 'out' | 'err' | 'metactl';

/** Bytes of one line's text; the rest of a longer one goes into further lines. As journald's LineMax. */
export const LONGEST_LINE = 48 * 1024;

export const MARK = { ended: 0x3a, continued: 0x2b, unfinished: 0x7e } as const;

export interface Origin {
  readonly stream: LogStreamName;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** What goes before each line in a file. Pure. */
export function fileHead({ stream, pid, time }: Origin): LineHead {
  const before = `${new Date(time).toISOString()} ${pid} ${stream}`;
  return { bytes: Buffer.from(`${before}: `), mark: before.length };
}

/** One line as it is read again. */
export interface LogLine {
  readonly time: number;
  readonly pid: number;
  readonly stream: LogStreamName;
  readonly mark: ':' | '+' | '~';
  readonly text: Buffer;
}

const HEAD = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\d{1,10}) (out|err|metactl)([:+~]) /;
/** Of the longest that HEAD matches. */
const LONGEST_HEAD = 46;

/** @returns undefined for a line that metactl did not write, or not completely. Pure. */
export function parseLine(bytes: Buffer): LogLine | undefined {
  const match = HEAD.exec(bytes.toString('latin1', 0, LONGEST_HEAD));
  if (match === null) return undefined;
  const time = Date.parse(match[1]!);
  if (Number.isNaN(time)) return undefined;
  return {
    time,
    pid: Number(match[2]),
    stream: match[3] as LogStreamName,
    mark: match[4] as LogLine['mark'],
    text: bytes.subarray(match[0].length),
  };
}

/** How many of the first bytes end with a whole UTF-8 character, where it is UTF-8 at all. Pure. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return bytes.length;
    // A first byte of two, three or four (11xxxxxx) whose others are not all there.
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
