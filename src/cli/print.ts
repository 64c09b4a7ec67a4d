import { writeSync } from 'node:fs';
import { EXIT } from '../util/error.ts';

/**
 * Prints an answer. Directly, because the making of `process.stdout` loads Node's networking for a pipe, which takes a
 * third of what `metactl ip` may add to the start of Node. A reader that has gone away (`| head`) is nothing to tell; a
 * full disk is, and both end the process (1).
 */
export function print(text: string): void {
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

/** Prints a remark on standard error. Where nobody can be told, nobody is. */
export function printError(text: string): void {
  const bytes = Buffer.from(text);
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
  if (code !== 'EPIPE') printError(`metactl: can't write the output: ${code}\n`);
  process.exit(EXIT.error);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
