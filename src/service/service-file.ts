import { createHash } from 'node:crypto';

/** A file that a service manager reads. */
export interface ServiceFile {
  /** Below the manager's directory: `metactl.shop.web.service`, `metactl.shop.web/run`. */
  readonly name: string;
  readonly text: string;
  /** 0644, or 0755 for scripts. */
  readonly mode: number;
}

/** What is to be thought of a file that is there already. */
export type Origin = 'ours' | 'changed' | 'foreign';

const MARK = 'metactl-checksum: sha256:';
const PATTERN = /^(?:# metactl-checksum: sha256:([0-9a-f]{64})|<!-- metactl-checksum: sha256:([0-9a-f]{64}) -->)$/;

/**
 * Puts the mark of metactl into a text, by which it finds out later whether somebody changed it: the SHA-256 of the text
 * without the mark. Pure. @param comment makes one line a comment in the file's own language.
 */
export function seal(text: string, origin: string, comment: (line: string) => string): string {
  const [first = '', ...rest] = text.split('\n');
  // What tells the kernel or an XML reader what this is has to stay the first line.
  const [head, body] = /^(?:#!|<\?xml)/.test(first) ? [`${first}\n`, rest.join('\n')] : ['', text];
  const told = `${comment(`Made by \`${origin}\`, which notices changes and keeps them unless it is forced.`)}\n`;
  const unmarked = `${head}${told}${body}`;
  return `${head}${told}${comment(`${MARK}${digest(unmarked)}`)}\n${body}`;
}

/** Whether a text is as `seal` made it. Pure. */
export function originOf(text: string): Origin {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => PATTERN.test(line));
  if (at < 0) return 'foreign';
  const [marked = ''] = lines.splice(at, 1);
  const [, plain, xml] = PATTERN.exec(marked) ?? [];
  return digest(lines.join('\n')) === (plain ?? xml) ? 'ours' : 'changed';
}

/** A comment of XML, which may not hold two hyphens. */
export const xmlComment = (line: string): string => `<!-- ${line.replace(/-(?=-)/g, '- ')} -->`;

/** `# line`, for all formats but XML. */
export const hashComment = (line: string): string => `# ${line}`;

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
