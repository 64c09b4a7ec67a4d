import type { Item } from './scan.ts';

/**
 * Writes what the scanner read as a configuration file; reading that gives the same sections, keys and values again.
 * Pure.
 */
export function printItems(items: readonly Item[]): string {
  // After a space, a value that begins with # or ; would be a comment.
  const space = (raw: string) => (/^[#;]/.test(raw) ? '' : ' ');
  const lines = items.map((item) =>
    item.kind === 'header' ? `\n[${item.section}]` : `${item.key} =${space(item.raw)}${item.raw}`,
  );
  return `${lines.join('\n')}\n`.replace(/^\n/, '');
}

/**
 * The same for the `ini` package: names and values quoted as JSON, so that nothing in them (comments, backslashes,
 * `true`, line separators) can mean anything to it. Pure.
 */
export function handOver(items: readonly Item[]): string {
  const lines = items.map((item) =>
    item.kind === 'header' ? `[${item.section}]` : `${quote(item.key)} = ${quote(item.raw)}`,
  );
  return `${lines.join('\n')}\n`;
}

function quote(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
