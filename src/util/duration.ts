/** Units of systemd.time(7), in milliseconds. `m` is minutes, as there; months and years are left out on purpose. */
const UNITS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
  w: 604_800_000,
  week: 604_800_000,
  weeks: 604_800_000,
};

/**
 * Reads a duration: `500ms`, `5s`, `2min`, `1h`, `1min 30s`, `infinity`; a bare number is seconds.
 * @returns milliseconds, Infinity for `infinity`, undefined where the text is no duration.
 */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (trimmed === 'infinity') return Number.POSITIVE_INFINITY;
  if (trimmed.length === 0 || trimmed.length > 64) return undefined;
  if (/^\d+(\.\d+)?$/.test(trimmed)) return finite(Number(trimmed) * 1000);
  let total = 0;
  let rest = trimmed;
  while (rest.length > 0) {
    const part = /^(\d+(?:\.\d+)?)\s?([a-z]+)\s*/.exec(rest);
    if (part === null || !Object.hasOwn(UNITS, part[2]!)) return undefined;
    total += Number(part[1]) * UNITS[part[2]!]!;
    rest = rest.slice(part[0].length);
  }
  return finite(total);
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

/** Writes milliseconds the way the configuration does: `500ms`, `5s`, `2min`, `1h`, `1d`. */
export function formatDuration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'infinity';
  if (ms === 0) return '0';
  for (const unit of ['d', 'h', 'min', 's', 'ms']) {
    if (Number.isInteger(ms / UNITS[unit]!)) return `${ms / UNITS[unit]!}${unit}`;
  }
  return `${Math.round(ms * 1000)}us`;
}
