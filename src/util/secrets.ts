import { normalize } from 'node:path';
import { escapeText } from './escape.ts';
import { isSecretName, MASK, maskText } from './mask.ts';

/** Characters. Shorter texts stand in too many places to be told apart from what is no secret. */
const SHORTEST = 4;
/** Of a secret: what has more is a text (a certificate), of which nobody makes a list. */
const MOST_WORDS = 64;

/**
 * What is secret in a value, from how it may be shown: what each `***` stands for, and, since lists are split and messages
 * are lines, each word of it. Texts of fewer than four
 * characters are left out. Pure.
 */
export function secretsIn(text: string, masked: string): string[] {
  if (text === masked) return [];
  const [first = '', ...others] = masked.split(MASK);
  let at = first.length;
  const found: string[] = [];
  for (const [index, part] of others.entries()) {
    const isLast = index === others.length - 1;
    const end = isLast ? text.length - part.length : text.indexOf(part, at);
    if (end > at) found.push(text.slice(at, end));
    at = Math.max(end, at) + part.length;
  }
  return found.flatMap(partsOf).flatMap(formsOf);
}

/** Those of an environment, by the names of its variables and the shape of its values, as `sortedSecrets`. Pure. */
export function secretsOfEnvironment(env: Readonly<Record<string, string>>): readonly string[] {
  const found = Object.entries(env).flatMap(([name, value]) =>
    secretsIn(value, isSecretName(name) && value !== '' ? MASK : maskText(value)),
  );
  return sortedSecrets(found);
}

/** The longest first, each once: as the functions below want them. Pure. */
export function sortedSecrets(secrets: Iterable<string>): readonly string[] {
  return [...new Set(secrets)].sort((a, b) => b.length - a.length);
}

function partsOf(secret: string): readonly string[] {
  const words = secret.split(/[\s"']+/, MOST_WORDS + 1);
  return words.length === 1 || words.length > MOST_WORDS ? [secret] : [secret, ...words];
}

/** As it is, escaped as in messages, as a part of a path (`a//b` becomes `a/b`), and of both a name of a file (`a-b`, of a context path). */
function formsOf(secret: string): readonly string[] {
  const part = secret.includes('/') ? normalize(secret).replace(/\/$/, '') : secret;
  const names = secret.includes('/') ? [secret, part].map(nameOf) : [];
  return [...new Set([secret, escapeText(secret), escapeText(part), ...names.map(escapeText)])].filter(
    ({ length }) => length >= SHORTEST,
  );
}

function nameOf(path: string): string {
  return path.replace(/^\/|\/$/g, '').replaceAll('/', '-');
}

/**
 * `text` with `***` in the place of each secret, also of one that a message has cut (`abc…`). Pure.
 * @param secrets of `sortedSecrets`.
 */
export function hideIn(text: string, secrets: readonly string[]): string {
  let hidden = text;
  for (const secret of secrets) if (hidden.includes(secret)) hidden = hidden.replaceAll(secret, MASK);
  return hidden.includes('…') ? hideCut(hidden, secrets) : hidden;
}

/** Characters that a message shows at most of something cut: `quoted` shows 240 of a path, each escaped to six; a status text has 600. */
const LONGEST_CUT = 2048;

/**
 * The beginning of a secret before the mark of something cut. Secrets are looked up by what stands there, not one by one: an app may
 * have thousands, as long as it likes, and a supervisor that looks stands still.
 */
function hideCut(text: string, secrets: readonly string[]): string {
  const ordered = [...secrets].sort();
  const parts = text.split('…');
  const last = parts.pop()!;
  const hidden = parts.map((part) => {
    const at = beginningIn(part, ordered);
    return at === undefined ? part : `${part.slice(0, at)}${MASK}`;
  });
  return [...hidden, last].join('…');
}

/** Where the longest beginning of a secret stands that goes to the end of `part`. @param ordered by their characters. */
function beginningIn(part: string, ordered: readonly string[]): number | undefined {
  for (let at = Math.max(0, part.length - LONGEST_CUT); at <= part.length - SHORTEST; at++) {
    if (isBeginning(part.slice(at), ordered)) return at;
  }
  return undefined;
}

/** What begins with a text comes right behind it in order. */
function isBeginning(text: string, ordered: readonly string[]): boolean {
  let [from, to] = [0, ordered.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (ordered[middle]! < text) from = middle + 1;
    else to = middle;
  }
  return ordered[from]?.startsWith(text) ?? false;
}

/** Texts within plain data, hidden as `hideIn` does; keys stay. Pure. */
export function hideInData<T>(data: T, secrets: readonly string[]): T {
  if (secrets.length === 0) return data;
  if (typeof data === 'string') return hideIn(data, secrets) as T;
  if (Array.isArray(data)) return data.map((one) => hideInData(one, secrets)) as T;
  if (data === null || typeof data !== 'object' || Object.getPrototypeOf(data) !== Object.prototype) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, hideInData(value, secrets)])) as T;
}

const SAID = ['message', 'stack', 'step', 'path', 'hint', 'details'] as const;

/** Hides secrets in all that an error and its causes say. Changes the error itself: whoever holds it may show it. */
export function hideInError<T>(error: T, secrets: readonly string[]): T {
  if (secrets.length === 0) return error;
  const seen = new Set<unknown>();
  for (let one: unknown = error; one instanceof Error && !seen.has(one); one = one.cause) {
    seen.add(one);
    const fields = one as unknown as Record<(typeof SAID)[number], unknown>;
    for (const name of SAID) {
      if (fields[name] !== undefined) fields[name] = hideInData(fields[name], secrets);
    }
  }
  return error;
}
