import { parseDuration } from '../util/duration.ts';
import { parseSize } from '../util/size.ts';

/** Limits of setrlimit(2) by how their numbers are written; `limit-` and one of these is a key. */
const SIZES = ['fsize', 'data', 'stack', 'core', 'rss', 'memlock', 'as', 'msgqueue'];
const COUNTS = ['nproc', 'nofile', 'locks', 'sigpending', 'nice', 'rtprio'];
export const LIMITS: readonly string[] = ['cpu', 'rttime', ...SIZES, ...COUNTS];

/**
 * Reads `N`, `infinity` or `SOFT:HARD` of one limit, as systemd's `LimitNOFILE=` and its kin: sizes may have a unit
 * (`64m`), `cpu` counts seconds and `rttime` microseconds, both may be durations (`5min`, `20ms`).
 * @returns the kernel's numbers, soft first, or undefined.
 */
export function parseLimit(name: string, text: string): readonly [number, number] | undefined {
  const parts = text.split(':');
  if (parts.length > 2) return undefined;
  const values = parts.map((part) => parseOne(name, part));
  const soft = values[0];
  const hard = values.length === 1 ? soft : values[1];
  return soft === undefined || hard === undefined || soft > hard ? undefined : [soft, hard];
}

/** Writes a limit the way every reader of numbers understands: `1024:524288`, `infinity`. */
export function formatLimit([soft, hard]: readonly [number, number]): string {
  const write = (value: number) => (value === Number.POSITIVE_INFINITY ? 'infinity' : String(value));
  return soft === hard ? write(soft) : `${write(soft)}:${write(hard)}`;
}

function parseOne(name: string, text: string): number | undefined {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (SIZES.includes(name)) return parseSize(text);
  if (name !== 'cpu' && name !== 'rttime') return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) return undefined;
  return name === 'cpu' ? Math.ceil(ms / 1000) : Math.round(ms * 1000);
}
