import { isUtf8 } from 'node:buffer';

/**
 * Characters that could do something to a terminal or to the reader's eye: C0 and C1 controls, DEL, bidirectional
 * controls, zero-width characters, line and paragraph separators, interlinear marks, tags, and lone surrogates. V8 takes a fifth of
 * a millisecond to make it, so it is made where it is needed.
 */
const unsafe = () =>
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** Most text: nothing to look for. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Makes text that an app or a developer controls safe to print on root's terminal or to put into a record of one
 * line: every character of the list above becomes a visible escape (`\x1b`, `\n`, `\u202e`).
 */
export function escapeText(text: string): string {
  return PLAIN.test(text) ? text : text.replace(unsafe(), visible);
}

/** The same for text of several lines: line feeds and tabs stay. */
export function escapeLines(text: string): string {
  return text.replace(unsafe(), (c) => (c === '\n' || c === '\t' ? c : visible(c)));
}

/** Colours and bold (ECMA-48 SGR): all that our own text says to a terminal. */
const STYLE = /(\x1b\[[0-9;]{0,16}m)/;

/** What is printed in the end, made of lines of ours in which all else is escaped already: it leaves these and their colours. */
export function escapeOutput(text: string): string {
  if (/^[\x20-\x7e\n]*$/.test(text)) return text;
  // Every second one is what the pattern matched.
  return text
    .split(STYLE)
    .map((part, at) => (at % 2 === 1 ? part : escapeLines(part)))
    .join('');
}

/** The same for bytes, of one line: what is no UTF-8 becomes `\\xff`; tabs stay. */
export function escapeBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return escapeLines(bytes.toString('utf8'));
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((size) => at + size <= bytes.length && isUtf8(bytes.subarray(at, at + size)));
    text +=
      length === undefined
        ? visible(String.fromCharCode(bytes[at]!))
        : escapeLines(bytes.toString('utf8', at, at + length));
    at += length ?? 1;
  }
  return text;
}

/** JSON text whose strings hold nothing that could do something to a terminal. Its line feeds stand between them. */
export function escapeJson(json: string): string {
  if (/^[\x20-\x7e\n]*$/.test(json)) return json;
  return json.replace(unsafe(), (c) =>
    c === '\n' ? c : [...Array(c.length).keys()].map((at) => unit(c.charCodeAt(at))).join(''),
  );
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`;
}

/** Escaped, cut to at most `longest` characters, in back-ticks: how messages quote what they found. */
export function quoted(text: string, longest = 60): string {
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return `\`${escapeText(short)}\``;
}

function visible(c: string): string {
  if (c === '\n') return '\\n';
  if (c === '\t') return '\\t';
  if (c === '\r') return '\\r';
  const code = c.codePointAt(0)!;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}
