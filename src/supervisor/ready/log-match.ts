import type { OutputStream } from '../../host/host.ts';

/** Tells whether a line matches. */
export interface LineMatcher {
  (line: string): boolean;
  /** Instructions of the compiled pattern: what a character costs at most, in steps. */
  readonly size: number;
}

/** Why a pattern can't be taken. */
export interface BadPattern {
  readonly problem: string;
  /** It is one, but would cost the supervisor too much. */
  readonly costly?: true;
}

/** A line longer than this is matched by its beginning. */
const LONGEST_LINE = 16 * 1024;
/** Larger patterns are refused: characters as they are written, and instructions when compiled (`a{100}` has a hundred). */
const LONGEST_PATTERN = 1000;
const LARGEST_PROGRAM = 250;
/**
 * Steps (characters × instructions) that one line, and all lines of one turn, may cost: the engine does some 30,000 in a
 * millisecond (re2js 2, x86_64 of 2020), so that the other apps of the supervisor wait no longer than a few. Of a line, 800
 * characters are looked at with the largest pattern, all 16 KiB with one of a dozen instructions.
 */
const MOST_STEPS = 200_000;
/** Pause after a turn that cost them, in ms. */
const PAUSE = 20;
/** Characters that may wait to be looked at; more, and the oldest lines are left out. */
const MOST_WAITING = 1024 * 1024;

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
  const longest = Math.min(LONGEST_LINE, Math.ceil(MOST_STEPS / matches.size));
  let rest = begun;
  let tooLong = false;
  let over = false;
  let waiting: string[] = [];
  let waitingLength = 0;
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    over = true;
    waiting = [];
    clearTimeout(timer);
    stream.off(event, onData);
  };
  const look = () => {
    timer = undefined;
    let steps = 0;
    for (const [index, line] of waiting.entries()) {
      if (steps >= MOST_STEPS) {
        waiting.splice(0, index);
        // Also where the daemon ends meanwhile: nobody waits for it then.
        timer = setTimeout(look, PAUSE).unref();
        return;
      }
      waitingLength -= line.length + 1;
      const text = utf8(line.replace(/\r$/, ''));
      steps += (text.length + 1) * matches.size;
      if (!matches(text)) continue;
      stop();
      found();
      return;
    }
    waiting = [];
  };
  const add = (line: string) => {
    const piece = line.slice(0, longest);
    waiting.push(piece);
    waitingLength += piece.length + 1;
  };
  const onData = (chunk: Buffer) => {
    const text = chunk.toString('latin1');
    // What has no end yet is looked through once, however small the pieces are.
    const lines = text.includes('\n') || rest === begun ? (rest + text).split('\n') : [rest + text];
    rest = lines.pop()!;
    for (const line of lines) {
      // What was cut off has been looked at already.
      if (!tooLong) add(line);
      tooLong = false;
    }
    if (rest.length > LONGEST_LINE) {
      if (!tooLong) add(rest);
      rest = '';
      tooLong = true;
    }
    let dropped = 0;
    while (waitingLength > MOST_WAITING && dropped < waiting.length) waitingLength -= waiting[dropped++]!.length + 1;
    if (dropped > 0) waiting.splice(0, dropped);
    if (timer === undefined) look();
  };
  stream.on(event, onData);
  return {
    stop,
    get rest() {
      return over ? rest : [...waiting, rest].join('\n');
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
export async function compileMatcher(pattern: string): Promise<LineMatcher | BadPattern> {
  // Loaded by those who need it: it is larger than many a verb.
  const { RE2JS } = await import('re2js');
  try {
    if (pattern.length > LONGEST_PATTERN) {
      return { problem: `it has more than ${LONGEST_PATTERN} characters`, costly: true };
    }
    const compiled = RE2JS.compile(pattern);
    const size = compiled.programSize();
    if (size > LARGEST_PROGRAM) {
      return { problem: `it compiles to ${size} instructions, of at most ${LARGEST_PROGRAM}`, costly: true };
    }
    return Object.assign((line: string) => compiled.matcher(line).find(), { size });
  } catch (error) {
    return { problem: (error as Error).message.replace(/^error parsing regexp: /, '') };
  }
}
