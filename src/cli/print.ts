import { writeSync } from 'node:fs';
import { EXIT } from '../util/error.ts';
import { escapeJson, escapeOutput, escapeText } from '../util/escape.ts';

/**
 * Prints an answer: lines in which what others wrote is escaped; what is not leaves no escape sequence all the same. Directly, because the making of `process.stdout` loads Node's networking for a pipe, which takes a
 * third of what `metactl ip` may add to the start of Node. A reader that has gone away (`| head`) is nothing to tell; a
 * full disk is, and both end the process (1).
 */
export function print(text: string): void {
  write(escapeOutput(text));
}

/**
 * An answer for programs: JSON and a line feed, with nothing in it that could steer a terminal; what reads it gets every character.
 * @param indent as of JSON.stringify. Pure.
 */
export function jsonText(value: unknown, indent?: number): string {
  return `${escapeJson(JSON.stringify(value, null, indent))}\n`;
}

/** Prints an answer over all that the terminal shows. */
export function printOver(text: string): void {
  write(`\x1b[H\x1b[2J${escapeOutput(text)}`);
}

function write(text: string): void {
  const bytes = Buffer.from(text);
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(1, bytes, done);
  } catch (error) {
    // Somebody has made it non-blocking, and it is full: Node's stream waits.
    if (codeOf(error) === 'EAGAIN') process.stdout.on('error', outputFailed).write(bytes.subarray(done));
    else outputFailed(error);
  }
}

/** Prints `metactl: …`, one line, on standard error. */
export function remark(text: string): void {
  printError(remarkText(text));
}

/** Pure. */
export function remarkText(text: string): string {
  return `metactl: ${escapeText(text)}\n`;
}

/** Prints lines on standard error, as `print` does. Where nobody can be told, nobody is. */
export function printError(text: string): void {
  const bytes = Buffer.from(escapeOutput(text));
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(2, bytes, done);
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') process.stderr.on('error', () => {}).write(bytes.subarray(done));
  }
}

/** Ends the process: there is nothing left to do for a verb whose output nobody gets. */
export function outputFailed(error: unknown): never {
  const code = codeOf(error);
  if (code !== 'EPIPE') remark(`can't write the output: ${code}`);
  process.exit(EXIT.error);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
