import { parseDuration } from './duration.ts';

/**
 * Reads a moment: `2026-11-26`, `2026-11-26 16:25`, `16:25:01`, `today`, `yesterday` (all by the local clock), an ISO time with
 * its zone (`2026-11-26T16:25:01Z`), `@1764174301` (seconds since the epoch), or how long ago: `10min`, `-1h`, `2d ago`.
 * @returns milliseconds since the epoch, undefined where the text is no moment. Pure.
 */
export function parseMoment(text: string, now: number): number | undefined {
  const trimmed = text.trim();
  if (trimmed === 'now') return now;
  if (trimmed === 'today') return startOfDay(now, 0);
  if (trimmed === 'yesterday') return startOfDay(now, -1);
  const epoch = /^@(\d{1,12}(?:\.\d{1,3})?)$/.exec(trimmed);
  if (epoch !== null) return Number(epoch[1]) * 1000;
  const clock = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(trimmed);
  if (clock !== null) {
    const date = new Date(now);
    return local(date.getFullYear(), date.getMonth() + 1, date.getDate(), clock.slice(1));
  }
  const day = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(trimmed);
  if (day !== null) return local(Number(day[1]), Number(day[2]), Number(day[3]), day.slice(4));
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/.test(trimmed)) {
    const time = Date.parse(trimmed);
    return Number.isNaN(time) ? undefined : time;
  }
  const ago = /^(?:-\s*(.+)|(.+?)\s+ago|(.*[a-z]))$/.exec(trimmed);
  const duration = ago === null ? undefined : parseDuration((ago[1] ?? ago[2] ?? ago[3])!);
  return duration === undefined || !Number.isFinite(duration) ? undefined : now - duration;
}

function startOfDay(now: number, days: number): number {
  const date = new Date(now);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + days).getTime();
}

/** @returns undefined for the 30th of February, 25:00 and the like. */
function local(year: number, month: number, day: number, clock: readonly (string | undefined)[]): number | undefined {
  const [hour = 0, minute = 0, second = 0] = clock.map((text) => Number(text ?? 0));
  const date = new Date(year, month - 1, day);
  if (date.getMonth() !== month - 1 || date.getDate() !== day || hour > 23 || minute > 59 || second > 59)
    return undefined;
  return new Date(year, month - 1, day, hour, minute, second).getTime();
}
