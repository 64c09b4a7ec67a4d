/** A `[crontab]` line, taken apart: all of it is as crontab(5) has it. When it is due is told by what runs it. */
export interface CrontabLine {
  /** Five fields separated by one space each, or a macro such as `@daily`. */
  readonly schedule: string;
  /** For `/bin/sh -c` inside the sandbox, exactly as written. There is no field for a user: it runs as the app's. */
  readonly command: string;
}

interface Field {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** Of the values from `first` on. */
  readonly names: readonly string[];
}

/** One part of a field's list: each `step`th value. */
interface Item {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

const MACROS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const FIELDS: readonly Field[] = [
  { name: 'minute', first: 0, last: 59, names: [] },
  { name: 'hour', first: 0, last: 23, names: [] },
  { name: 'day', first: 1, last: 31, names: [] },
  { name: 'month', first: 1, last: 12, names: MONTHS },
  { name: 'weekday', first: 0, last: 7, names: WEEKDAYS },
];

/** Of January to December, in a leap year. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export const CRONTAB_EXPECTED = 'minute hour day month weekday command, such as 5 0 * * * ./housekeeping';

/** Reads `m h d M w command` or `@daily command`; undefined: it is neither, or never due. Pure. */
export function parseCrontabLine(text: string): CrontabLine | undefined {
  const { schedule, command } = takeApart(text);
  return command === undefined || faultOf(schedule) !== undefined
    ? undefined
    : { schedule: schedule.join(' '), command };
}

/** What a line that is not valid should have; undefined: CRONTAB_EXPECTED says it. Shows nothing of the text. Pure. */
export function crontabExpectation(text: string): string | undefined {
  const { schedule, command } = takeApart(text);
  if (schedule.length === 1 && !schedule[0]!.startsWith('@')) return undefined;
  const fault = faultOf(schedule);
  if (fault !== undefined) return command === undefined && schedule.length > 1 ? undefined : fault;
  return command === undefined ? 'a command behind its time' : undefined;
}

function takeApart(text: string): { readonly schedule: readonly string[]; readonly command: string | undefined } {
  const line = text.startsWith('@')
    ? /^(\S+)(?:[ \t]+(\S.*))?$/s.exec(text)
    : /^((?:\S+[ \t]+){4}\S+)(?:[ \t]+(\S.*))?$/s.exec(text);
  return line === null
    ? { schedule: [text], command: undefined }
    : { schedule: line[1]!.split(/[ \t]+/), command: line[2] };
}

/** What should be there instead of a macro or five fields; undefined: they are right. */
function faultOf(schedule: readonly string[]): string | undefined {
  if (schedule.length === 1)
    return MACROS.includes(schedule[0]!)
      ? undefined
      : `one of ${MACROS.join(', ')}, or five fields, before the command`;
  const items = FIELDS.map((field, i) => readField(field, schedule[i]!));
  const wrong = items.indexOf(undefined);
  if (wrong >= 0) return expectedOf(FIELDS[wrong]!);
  const [, , days, months] = items as Item[][];
  // A day of the week is due beside the days of the month.
  if (schedule[4]!.startsWith('*') && !isEver(days!, months!))
    return 'a day that one of its months has: it would never run';
  return undefined;
}

function expectedOf({ name, first, last, names }: Field): string {
  const words = names.length === 0 ? '' : `, or ${names[0]} to ${names.at(-1)}`;
  return `${name === 'hour' ? 'an' : 'a'} ${name} from ${first} to ${last}${words}, such as *, */2, ${first + 1}, ${first + 1}-${first + 3} or ${first + 1},${first + 4}`;
}

function readField(field: Field, text: string): Item[] | undefined {
  const items = text.split(',').map((part) => readItem(field, part));
  return items.some((item) => item === undefined) ? undefined : (items as Item[]);
}

/** A value, `*` or a range, the last two also with a step. */
function readItem(field: Field, text: string): Item | undefined {
  const found = /^(?:(\*)|([0-9a-z]{1,3})(?:-([0-9a-z]{1,3}))?)(?:\/([0-9]{1,2}))?$/i.exec(text);
  if (found === null) return undefined;
  const [, all, from, to, every] = found;
  const first = all === undefined ? readNumber(field, from!) : field.first;
  const last = all !== undefined ? field.last : to === undefined ? first : readNumber(field, to);
  const step = every === undefined ? 1 : Number(every);
  if (first === undefined || last === undefined || last < first || step < 1) return undefined;
  return every !== undefined && all === undefined && to === undefined ? undefined : { first, last, step };
}

function readNumber({ first, last, names }: Field, text: string): number | undefined {
  const name = names.indexOf(text.toLowerCase());
  if (name >= 0) return first + name;
  const value = /^[0-9]{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return value >= first && value <= last ? value : undefined;
}

function isEver(days: readonly Item[], months: readonly Item[]): boolean {
  const earliest = days.reduce((least, { first }) => Math.min(least, first), 31);
  return DAYS.some((length, i) => length >= earliest && months.some((item) => isIn(item, i + 1)));
}

function isIn({ first, last, step }: Item, value: number): boolean {
  return value >= first && value <= last && (value - first) % step === 0;
}
