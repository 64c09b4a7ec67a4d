/**
 * Reads a job as Upstart does (libnih's nih_config_parse: words, quotes, comments; blocks up to `end NAME`), as far as our jobs
 * need it. In quotes of both kinds a backslash takes the next character along; the text of `exec` keeps its quotes.
 */
export function readUpstart(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = withoutComment(lines[at]!).trim();
    if (line === '') continue;
    const [, stanza = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(line)!;
    if (stanza !== 'script') {
      // Of those that may come twice the second adds to the first.
      found.set(found.has(stanza) ? `${stanza} ${rest.split(' ')[0]}` : stanza, rest);
      continue;
    }
    const block: string[] = [];
    while (!/^\s*end\s+script\s*$/.test(lines[++at]!)) block.push(lines[at]!);
    found.set(stanza, block.map((one) => `${one.trimStart()}\n`).join(''));
  }
  return found;
}

function withoutComment(line: string): string {
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const c = line[at]!;
    if (c === '\\') at++;
    else if (quote !== '') quote = c === quote ? '' : quote;
    else if (c === '"' || c === "'") quote = c;
    else if (c === '#') return line.slice(0, at);
  }
  if (quote !== '') throw new Error(`unterminated quote: ${line}`);
  return line;
}
