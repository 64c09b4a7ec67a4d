/** What stands in the place of a secret. */
export const MASK = '***';

/**
 * Key names that hold secrets (DESIGN §3): `*password* *secret* *token* *key*`, in any case. Not systemd's `KeyringMode=`
 * (systemd.exec(5)), which is the only directive of that kind.
 */
export function isSecretName(name: string): boolean {
  return /password|secret|token|key/i.test(name) && name !== 'KeyringMode';
}

/** A word, with what its quotes hold together. */
const WORD = /(?:"[^"]*"|'[^']*'|[^\s"'])+|["']/g;

/**
 * Text with the passwords of URLs, the values of `…password=…` and the word after `--…password` replaced by `***`.
 * Errs towards masking too much. Linear in the length of the text.
 */
export function maskText(text: string): string {
  let afterOption = false;
  return text.replace(WORD, (word) => {
    const masked = afterOption && !word.startsWith('-') ? MASK : maskWord(word);
    afterOption = isSecretOption(word);
    return masked;
  });
}

/**
 * `maskText` for the arguments of a command, where a value ends with its word and not at a space: `--password`, `a b`;
 * `PASSWORD=a b`.
 */
export function maskWords(words: readonly string[]): string[] {
  let afterOption = false;
  return words.map((word) => {
    const masked = afterOption && !word.startsWith('-') ? MASK : maskArgument(word);
    afterOption = isSecretOption(word);
    return masked;
  });
}

function maskArgument(word: string): string {
  const name = /^[\w.-]+(?==.)/s.exec(word)?.[0];
  return name !== undefined && isSecretName(name) ? `${name}=${MASK}` : maskText(word);
}

function isSecretOption(word: string): boolean {
  return /^-[\w.-]*$/.test(word) && isSecretName(word);
}

function maskWord(word: string): string {
  return maskUrl(word).split('&').map(maskAssignment).join('&');
}

/** `scheme://user:PASSWORD@host`; up to the last `@`, because passwords are not always encoded. */
function maskUrl(word: string): string {
  const scheme = word.indexOf('://');
  if (scheme < 0) return word;
  const start = scheme + 3;
  const at = word.lastIndexOf('@');
  const colon = word.indexOf(':', start);
  const slash = word.indexOf('/', start);
  if (colon < 0 || at < colon || (slash >= 0 && slash < colon)) return word;
  // `http://host:8080/a@b` has a port, not a password.
  if (/^:\d{1,5}[/?#]/.test(word.slice(colon, colon + 7))) return word;
  return `${word.slice(0, colon + 1)}${MASK}${word.slice(at)}`;
}

/** `NAME=VALUE`, where the name (what stands before any of the `=`) is a secret's. */
function maskAssignment(piece: string): string {
  let from = 0;
  for (let equals = piece.indexOf('='); equals >= 0; equals = piece.indexOf('=', from)) {
    if (equals + 1 < piece.length && isSecretName(piece.slice(from, equals))) {
      return `${piece.slice(0, equals + 1)}${MASK}`;
    }
    from = equals + 1;
  }
  return piece;
}
