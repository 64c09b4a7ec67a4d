import type { OutputStream } from '../../host/host.ts';

/** Tells whether a line matches. */
export type LineMatcher = (line: string) => boolean;

/** A line longer than this is matched by its beginning. */
const LONGEST_LINE = 16 * 1024;

/** A watch that is on. */
export interface LineWatch {
  /** Ends it. */
  stop(): void;
  /** The beginning of a line whose end has not come, a character per byte. */
  readonly rest: string;
}

/**
 * Watches a stream for a line that matches, beside whoever reads the stream: it neither reads nor holds anything up.
 * Made in the same turn in which the reader begins, or later. @param begun what came of the line before, a character per
 * byte: a chunk may end in the midst of a character.
 */
export function watchLines(stream: OutputStream, matches: LineMatcher, found: () => void, begun = ''): LineWatch {
  const event = stream.received === true ? 'bytes' : 'data';
  let rest = begun;
  let tooLong = false;
  const stop = () => {
    stream.off(event, onData);
  };
  const onData = (chunk: Buffer) => {
    const text = chunk.toString('latin1');
    // What has no end yet is looked through once, however small the pieces are.
    const lines = text.includes('\n') ? (rest + text).split('\n') : [rest + text];
    rest = lines.pop()!;
    for (const line of lines) {
      // What was cut off has been looked at already.
      const judged = !tooLong && matches(utf8(line.slice(0, LONGEST_LINE).replace(/\r$/, '')));
      tooLong = false;
      if (!judged) continue;
      stop();
      return found();
    }
    if (rest.length <= LONGEST_LINE) return;
    const judged = !tooLong && matches(utf8(rest.slice(0, LONGEST_LINE)));
    rest = '';
    tooLong = true;
    if (!judged) return;
    stop();
    found();
  };
  stream.on(event, onData);
  return {
    stop,
    get rest() {
      return rest;
    },
  };
}

function utf8(bytes: string): string {
  return /[\x80-\xff]/.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/**
 * Compiles a pattern of the app for an engine whose time is linear in the line's length: a pattern that makes Node's own
 * take for ever must not stop the supervisor.
 * @returns the matcher, or what is wrong with the pattern.
 */
export async function compileMatcher(pattern: string): Promise<LineMatcher | { readonly problem: string }> {
  // Loaded by those who need it: it is larger than many a verb.
  const { RE2JS } = await import('re2js');
  try {
    const compiled = RE2JS.compile(pattern);
    return (line) => compiled.matcher(line).find();
  } catch (error) {
    return { problem: (error as Error).message.replace(/^error parsing regexp: /, '') };
  }
}
