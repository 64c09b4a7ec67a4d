import { isAbsolute } from 'node:path';
import { formatDuration, parseDuration } from '../util/duration.ts';
import { formatSize, parseSize } from '../util/size.ts';
import { splitWords } from '../util/words.ts';
import type { KeySpec, Value, ValueType } from './types.ts';

const BOOLEANS: Readonly<Record<string, boolean>> = {
  yes: true,
  true: true,
  on: true,
  1: true,
  no: false,
  false: false,
  off: false,
  0: false,
};

/** Types whose quotes belong to the words in them; elsewhere quotes around the whole value are taken off. */
export function keepsQuotes(type: ValueType): boolean {
  return type === 'list' || type === 'command';
}

/**
 * The text of a value without the quotes around the whole of it. In double quotes `\"` and `\\` are escapes.
 * `a "b" c` and `"a" "b"` stay as they are.
 */
export function unquote(raw: string): string {
  if (/^'[^']*'$/.test(raw)) return raw.slice(1, -1);
  if (/^"(?:[^"\\]|\\.)*"$/.test(raw)) return raw.slice(1, -1).replace(/\\(["\\])/g, '$1');
  return raw;
}

/**
 * Reads a text as its key wants it. Pure; never throws.
 * @returns undefined where it is not valid; `expected` then says what would be.
 */
export function readValue(spec: KeySpec, text: string): Value | undefined {
  const value = spec.read === undefined ? readType(spec, text) : spec.read(text);
  if (typeof value === 'number' && spec.type !== 'octal') {
    if (spec.min !== undefined && value < spec.min) return undefined;
    if (spec.max !== undefined && value > spec.max) return undefined;
  }
  return value;
}

function readType(spec: KeySpec, text: string): Value | undefined {
  switch (spec.type) {
    case 'text':
      return text;
    case 'boolean':
      return Object.hasOwn(BOOLEANS, text.toLowerCase()) ? BOOLEANS[text.toLowerCase()] : undefined;
    case 'integer':
      return readInteger(text);
    case 'duration':
      return parseDuration(text);
    case 'size':
      return parseSize(text);
    case 'percent':
      return /^\d{1,7}(\.\d{1,3})?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : undefined;
    case 'enum':
      return spec.values?.includes(text) ? text : undefined;
    case 'list':
      return readWords(text, 0);
    case 'command':
      return readWords(text, 1);
    case 'path':
      return isAbsolute(text) && !text.includes('\0') ? text : undefined;
    case 'octal':
      return /^[0-7]{1,4}$/.test(text) ? Number.parseInt(text, 8) : undefined;
  }
}

function readInteger(text: string): number | undefined {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function readWords(text: string, least: number): readonly string[] | undefined {
  const split = splitWords(text);
  return split.problem !== undefined || split.words.length < least ? undefined : split.words;
}

/** What a valid value looks like, in words. For lists and commands, what is wrong with this one. */
export function expectation(spec: KeySpec, text: string): string {
  const instead = spec.expectedInstead?.(text);
  if (instead !== undefined) return instead;
  if (spec.expected !== undefined) return spec.expected;
  if (spec.type === 'list' || spec.type === 'command') {
    const problem = splitWords(text).problem;
    if (problem !== undefined) return `words without ${problem.message} (character ${problem.offset + 1})`;
  }
  return `${EXPECTED[spec.type]}${range(spec)}${spec.type === 'enum' ? spec.values!.join(', ') : ''}`;
}

/** A key's type for the documentation: `duration`, `no, on-failure or always`. */
export function describeType(spec: KeySpec): string {
  if (spec.values !== undefined) return spec.values.join(', ');
  if (spec.expected !== undefined) return spec.expected;
  if (spec.type === 'integer' && (spec.min !== undefined || spec.max !== undefined)) return `number${range(spec)}`;
  return TYPE_NAMES[spec.type] ?? spec.type;
}

const TYPE_NAMES: Readonly<Record<string, string>> = { boolean: 'flag', integer: 'number', octal: 'octal mode' };

const EXPECTED: Readonly<Record<ValueType, string>> = {
  text: 'text',
  boolean: 'yes or no',
  integer: 'a whole number',
  duration: 'a duration such as 500ms, 5s, 2min or 1h',
  size: 'a size such as 256m or 2g',
  percent: 'a percentage such as 50%',
  enum: 'one of ',
  list: 'words',
  command: 'a command',
  path: 'an absolute path',
  octal: 'an octal mode such as 022',
};

function range({ type, min, max }: KeySpec): string {
  const write = type === 'duration' ? formatDuration : type === 'size' ? formatSize : String;
  if (min !== undefined && max !== undefined) return ` from ${write(min)} to ${write(max)}`;
  if (min !== undefined) return ` of at least ${write(min)}`;
  return max === undefined ? '' : ` of at most ${write(max)}`;
}
