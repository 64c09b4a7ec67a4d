import { quoteWord } from '../util/words.ts';
import { requireCharacters } from './characters.ts';

/**
 * One argument of `ExecStart=`: by the quoting rules of systemd.syntax(7), with `%` and `$` doubled, since specifiers and
 * variables would be replaced inside quotes too. Pure.
 * @throws MetactlError METACTL_BAD_PATH (78) for characters that systemd takes for no valid UTF-8.
 */
export function execWord(word: string): string {
  requireCharacters(word, /[\0\p{Noncharacter_Code_Point}\p{Surrogate}]/u, 'systemd');
  // A `;` that stands alone begins another command.
  const text = word === ';' ? '";"' : quoteWord(word);
  return text.replaceAll('%', '%%').replaceAll('$', '$$$$');
}

/** A whole command line; the program itself must be absolute, so none of the prefixes `@-:+!` can be meant. Pure. */
export function execLine(words: readonly string[]): string {
  return words.map(execWord).join(' ');
}

/**
 * The paths of `RequiresMountsFor=`, which knows quotes but no escapes: a path that would need one is left out. Pure.
 */
export function pathList(paths: readonly string[]): string {
  const plain = paths.filter((path) => !/["'\\\x00-\x1f\x7f]/.test(path));
  return plain.map((path) => quoteWord(path).replaceAll('%', '%%')).join(' ');
}

/** A time span: `90s`, `1500ms`, `infinity`. Pure. @param ms milliseconds */
export function timeSpan(ms: number): string {
  if (!Number.isFinite(ms)) return 'infinity';
  const whole = Math.ceil(ms);
  return whole % 1000 === 0 ? `${whole / 1000}s` : `${whole}ms`;
}

/** As `systemd-escape`: what unit names can't hold, and `-`, which would name a parent slice. Pure. */
export function escapeName(name: string): string {
  const bytes = [...Buffer.from(name)];
  return bytes
    .map((byte, at) => {
      const c = String.fromCharCode(byte);
      if (c === '/') return '-';
      return /[A-Za-z0-9:_]/.test(c) || (c === '.' && at > 0) ? c : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}
