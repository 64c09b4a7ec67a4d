import { requireCharacters } from './characters.ts';

/**
 * One word for sh(1), in double quotes with `\` before what a shell would replace there. Not in single quotes: Upstart's reader takes a
 * backslash for an escape in those too. Pure.
 * @throws MetactlError METACTL_BAD_PATH (78) for line breaks and other control characters.
 */
export function shellWord(word: string): string {
  requireCharacters(word, /[\x00-\x08\x0a-\x1f\x7f\p{Surrogate}]/u, 'a shell script');
  if (/^[A-Za-z0-9_@%+:,./-]+$/.test(word)) return word;
  return `"${word.replace(/["\\$`]/g, '\\$&')}"`;
}

/** A command line for sh(1). Pure. @throws MetactlError METACTL_BAD_PATH (78) */
export function shellLine(words: readonly string[]): string {
  return words.map(shellWord).join(' ');
}
