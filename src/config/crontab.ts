/** A `[crontab]` line, taken apart. The schedule itself is read by what runs it. */
export interface CrontabLine {
  /** Five fields separated by one space each, or a macro such as `@daily`. */
  readonly schedule: string;
  /** For `/bin/sh -c` inside the sandbox, exactly as written. */
  readonly command: string;
}

const MACROS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const FIELD = /^[0-9A-Za-z*?/,#-]+$/;

export const CRONTAB_EXPECTED = 'minute hour day month weekday command, such as 5 0 * * * ./housekeeping';

/** Reads `m h d M w command` or `@daily command`; undefined: it is neither. Names of months and days pass unread. */
export function parseCrontabLine(text: string): CrontabLine | undefined {
  const macro = /^(@[a-z]+)[ \t]+(\S.*)$/s.exec(text);
  if (macro !== null) return MACROS.includes(macro[1]!) ? { schedule: macro[1]!, command: macro[2]! } : undefined;
  const line = /^((?:\S+[ \t]+){5})(\S.*)$/s.exec(text);
  if (line === null) return undefined;
  const fields = line[1]!.trim().split(/[ \t]+/);
  return fields.every((field) => FIELD.test(field)) ? { schedule: fields.join(' '), command: line[2]! } : undefined;
}
