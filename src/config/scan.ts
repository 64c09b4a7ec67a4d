import * as messages from './messages.ts';
import type { Problem } from './types.ts';

/** A section header. */
export interface HeaderItem {
  readonly kind: 'header';
  readonly section: string;
  readonly line: number;
  readonly column: number;
}

/** One `key = value` line. */
export interface EntryItem {
  readonly kind: 'entry';
  readonly section: string;
  readonly key: string;
  /** The value as written, without a comment and without white space around it. */
  readonly raw: string;
  /** 1-based. */
  readonly line: number;
  readonly keyColumn: number;
  readonly valueColumn: number;
}

export type Item = HeaderItem | EntryItem;

export interface Scan {
  readonly items: readonly Item[];
  readonly problems: readonly Problem[];
}

/** A file with more problems than this is not worth reading on. */
const MOST_PROBLEMS = 100;
/** Sections and keys of a file. More is a mistake, or an attack on the time of whoever reads it. */
const MOST_ITEMS = 2000;

/** Names that reach into JavaScript's object prototype; no section, key or daemon may have one. */
const PROTOTYPE_NAMES: ReadonlySet<string> = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

/**
 * Reads the text of a configuration file strictly (DESIGN §3). Pure; never throws; linear in the length of the text.
 * Duplicate keys are problems here except in `[systemd.*]`; which sections and keys exist is the schema's matter.
 */
export function scan(text: string, file: string): Scan {
  return new Scanner(file).read(text);
}

class Scanner {
  readonly #file: string;
  readonly #items: Item[] = [];
  readonly #problems: Problem[] = [];
  /** Section NUL key → line of its first appearance. */
  readonly #seen = new Map<string, number>();
  /** Section → line of its first header. */
  readonly #headers = new Map<string, number>();
  #section: string | undefined;
  /** After a header that could not be read, its keys are left alone: one fault, one message. */
  #skipping = false;

  constructor(file: string) {
    this.#file = file;
  }

  read(text: string): Scan {
    let body = text;
    if (body.startsWith('\ufeff')) {
      this.#problem(1, 1, messages.byteOrderMark());
      body = body.slice(1);
    }
    const lines = body.split('\n');
    for (const [index, line] of lines.entries()) {
      if (this.#problems.length >= MOST_PROBLEMS) {
        this.#problem(index + 1, 1, messages.tooManyProblems(MOST_PROBLEMS));
        break;
      }
      if (this.#items.length >= MOST_ITEMS) {
        this.#problem(index + 1, 1, messages.tooMany('sections and keys', MOST_ITEMS));
        break;
      }
      this.#line(line.endsWith('\r') ? line.slice(0, -1) : line, index + 1);
    }
    this.#dottedClashes();
    return { items: this.#items, problems: this.#problems };
  }

  #problem(line: number, column: number, text: messages.Text): undefined {
    this.#problems.push({ ...text, file: this.#file, line, column });
  }

  #line(line: string, number: number): undefined {
    const control = line.search(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
    if (control >= 0) return this.#problem(number, control + 1, messages.controlCharacter(line[control]!));
    const start = line.search(/[^ \t]/);
    if (start < 0 || line[start] === ';' || line[start] === '#') return;
    if (line[start] === '[') this.#header(line, start, number);
    else this.#entry(line, start, number);
  }

  #header(line: string, start: number, number: number): undefined {
    this.#skipping = true;
    const end = line.indexOf(']', start);
    if (end < 0) return this.#problem(number, start + 1, messages.unclosedHeader(line.slice(start)));
    const after = withoutComment(line.slice(end + 1)).trim();
    if (after !== '') {
      const column = line.indexOf(after, end + 1) + 1;
      return this.#problem(number, column, messages.textAfterHeader(after));
    }
    const section = line.slice(start + 1, end);
    if (!/^[^\s[\]="'\\;#]+(?: [^\s[\]="'\\;#]+)*$/.test(section)) {
      return this.#problem(number, start + 2, messages.badSectionName(section));
    }
    const prototype = section.split('.').find((part) => PROTOTYPE_NAMES.has(part));
    if (prototype !== undefined) return this.#problem(number, start + 2, messages.prototypeName(prototype));
    this.#skipping = false;
    this.#section = section;
    if (!this.#headers.has(section)) this.#headers.set(section, number);
    this.#items.push({ kind: 'header', section, line: number, column: start + 2 });
  }

  #entry(line: string, start: number, number: number): undefined {
    const equals = line.indexOf('=');
    if (equals < 0) return this.#problem(number, start + 1, messages.notAnEntry(line.slice(start)));
    const key = trimBlanks(line.slice(start, equals));
    if (key === '') return this.#problem(number, start + 1, messages.missingKey());
    if (/[[\]"'\\]/.test(key) || /[ \t][;#]/.test(key) || key.trim() !== key) {
      return this.#problem(number, start + 1, messages.badKey(key));
    }
    if (PROTOTYPE_NAMES.has(key)) return this.#problem(number, start + 1, messages.prototypeName(key));
    if (this.#skipping) return;
    const section = this.#section;
    if (section === undefined) return this.#problem(number, start + 1, messages.keyBeforeSection(key));
    const rest = line.slice(equals + 1);
    const raw = trimBlanks(withoutComment(rest));
    const blank = rest.search(/[^ \t]/);
    const valueColumn = equals + 2 + (raw === '' || blank < 0 ? 0 : blank);
    const id = `${section}\0${key}`;
    const first = this.#seen.get(id);
    if (first !== undefined && !section.startsWith('systemd.')) {
      return this.#problem(number, start + 1, messages.duplicateKey(key, first));
    }
    this.#seen.set(id, number);
    this.#items.push({ kind: 'entry', section, key, raw, line: number, keyColumn: start + 1, valueColumn });
  }

  /** `[a] b.c = …` beside `[a.b.c]`: two things of one dotted name, which most INI readers mix up. */
  #dottedClashes(): void {
    for (const item of this.#items) {
      if (item.kind !== 'entry') continue;
      const line = this.#headers.get(`${item.section}.${item.key}`);
      if (line !== undefined) {
        this.#problem(item.line, item.keyColumn, messages.keyAndSection(item.section, item.key, line));
      }
    }
  }
}

/**
 * Text without the spaces and tabs around it. No regular expression: `[ \t]+$` looks at a run of blanks inside once for
 * each of them, and a line of a million keeps everybody who reads it for minutes.
 */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text[start]!)) start++;
  while (end > start && isBlank(text[end - 1]!)) end--;
  return text.slice(start, end);
}

function isBlank(c: string): boolean {
  return c === ' ' || c === '\t';
}

/**
 * The text before a comment. `;` and `#` start one after white space outside quotes. A quote counts only where it is
 * closed on the same line; a `'` right after a letter or digit is an apostrophe.
 */
function withoutComment(text: string): string {
  const lastDouble = text.lastIndexOf('"');
  const lastSingle = text.lastIndexOf("'");
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if ((c === ';' || c === '#') && (text[i - 1] === ' ' || text[i - 1] === '\t')) return text.slice(0, i);
    // Pairs are skipped outside quotes as they are inside, so that one unclosed quote is looked for only once.
    if (c === '\\') i++;
    else if (c === '"' && i < lastDouble) i = closingQuote(text, i) ?? i;
    else if (c === "'" && i < lastSingle && !/[\p{L}\p{N}]/u.test(text[i - 1] ?? ' ')) i = text.indexOf("'", i + 1);
  }
  return text;
}

/** The next `"` that no backslash escapes. */
function closingQuote(text: string, open: number): number | undefined {
  for (let i = open + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return undefined;
}
