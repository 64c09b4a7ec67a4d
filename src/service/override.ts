/**
 * An Upstart `.override` (init(5), from 1.3 on) belongs to the administrator; metactl's own in it is the line `manual`, which keeps a
 * job from being started at boot.
 */

const TOLD = '# Made by `metactl disable`.';
const MANUAL = 'manual';

/** Whether the text has the line. Pure. */
export function isManual(text: string | undefined): boolean {
  return text !== undefined && linesOf(text).some(({ manual }) => manual);
}

/** The text with the line. @param before undefined: there is no such file. Pure. */
export function withManual(before: string | undefined): string {
  if (before === undefined) return `${TOLD}\n${MANUAL}\n`;
  if (isManual(before)) return before;
  // The last word counts: a `start on` before it is taken back.
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${MANUAL}\n`;
}

/** The text without it; undefined: nothing else is in it. Pure. */
export function withoutManual(before: string | undefined): string | undefined {
  if (before === undefined) return undefined;
  const kept = linesOf(before).filter(({ line, manual }) => !manual && line !== TOLD);
  const text = kept.map(({ line }) => line).join('\n');
  return text.trim() === '' ? undefined : text;
}

/** A line of a script is a command, whatever it says. */
function linesOf(text: string): readonly { readonly line: string; readonly manual: boolean }[] {
  let script = false;
  return text.split('\n').map((line) => {
    if (/^\s*end\s+script\s*$/.test(line)) script = false;
    const manual = !script && /^\s*manual\s*(?:#.*)?$/.test(line);
    if (/^\s*(?:(?:pre|post)-(?:start|stop)\s+)?script\s*$/.test(line)) script = true;
    return { line, manual };
  });
}
