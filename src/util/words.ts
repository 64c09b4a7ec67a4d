/**
 * Splitting and joining of command lines by systemd's quoting rules (systemd.syntax(7), "Quoting"): white space
 * separates; double and single quotes both keep white space and are removed; C escapes work outside and inside both
 * kinds of quotes; an unknown escape keeps its backslash. No shell is involved: `$`, `;`, `|`, `*` are plain text.
 */
export interface Split {
  readonly words: readonly string[];
  /** Why the text could not be split, and where (0-based offset). Then `words` is what came before. */
  readonly problem?: { readonly message: string; readonly offset: number };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  s: ' ',
  '\\': '\\',
  '"': '"',
  "'": "'",
};
/** Digits after the introducing letter; octal has no letter. */
const NUMERIC: readonly (readonly [RegExp, number, number])[] = [
  [/^x([0-9a-fA-F]{2})/, 16, 0xff],
  [/^u([0-9a-fA-F]{4})/, 16, 0xffff],
  [/^U([0-9a-fA-F]{8})/, 16, 0x10ffff],
  [/^([0-7]{3})/, 8, 0xff],
];

/** Splits text into words. Never throws; linear in the length of the text. */
export function splitWords(text: string): Split {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  let quoteStart = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\') {
      if (i + 1 === text.length) return { words, problem: { message: 'a backslash at the end', offset: i } };
      const read = readEscape(text.slice(i + 1, i + 10));
      if (read.text === '\0') return { words, problem: { message: 'an escape for the NUL character', offset: i } };
      word = (word ?? '') + read.text;
      i += read.length;
    } else if (quote !== '') {
      if (c === quote) quote = '';
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      quoteStart = i;
      word ??= '';
    } else if (c === ' ' || c === '\t' || c === '\n' || c === '\r') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + c;
  }
  if (quote !== '') return { words, problem: { message: `a ${quote} that is not closed`, offset: quoteStart } };
  if (word !== undefined) words.push(word);
  return { words };
}

/** `rest` starts after the backslash and is not empty. */
function readEscape(rest: string): { text: string; length: number } {
  const first = rest[0]!;
  if (Object.hasOwn(SIMPLE, first)) return { text: SIMPLE[first]!, length: 1 };
  for (const [pattern, base, highest] of NUMERIC) {
    const match = pattern.exec(rest);
    if (match === null) continue;
    const code = Number.parseInt(match[1]!, base);
    if (code > highest || (code >= 0xd800 && code <= 0xdfff)) break;
    return { text: String.fromCodePoint(code), length: match[0].length };
  }
  return { text: `\\${first}`, length: 1 };
}

/** Writes one word so that `splitWords` gives it back. */
export function quoteWord(word: string): string {
  if (/^[^\s"'\\\x00-\x1f\x7f]+$/.test(word)) return word;
  const escaped = word.replace(/["\\]/g, '\\$&').replace(/[\x01-\x1f\x7f]/g, controlEscape);
  return `"${escaped}"`;
}

/** Writes words so that `splitWords` gives them back. */
export function joinWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

function controlEscape(c: string): string {
  return `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
