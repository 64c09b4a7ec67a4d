import type { Readable, Writable } from 'node:stream';
import { escapeText } from '../util/escape.ts';

/** A line longer than this is passed on in pieces: an app that never ends its line must not fill our memory. */
const LONGEST_LINE = 64 * 1024;

export interface OutputOptions {
  /** `webapp | `, put before each line; undefined: bytes go through as they are (or escaped, on a terminal). */
  readonly prefix: string | undefined;
  /** Escape what could steer a terminal: the reader is root, the writer is not (DESIGN §6). */
  readonly escape: boolean;
}

/**
 * Copies a daemon's output to one of ours, waiting where the reader is slow (back-pressure reaches the daemon through its
 * pipe). Resolves at the end of the stream; a reader that went away ends the copy but not the daemon.
 */
export async function copyOutput(from: Readable, to: Writable, options: OutputOptions): Promise<void> {
  const raw = options.prefix === undefined && !options.escape;
  let rest: Buffer = Buffer.alloc(0);
  const write = async (data: string | Buffer): Promise<void> => {
    if (to.destroyed || to.write(data)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        for (const event of ['drain', 'close', 'error']) to.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'close', 'error']) to.once(event, done);
    });
  };
  const line = (bytes: Buffer) => {
    const text = bytes.toString('utf8');
    return `${options.prefix ?? ''}${options.escape ? escapeText(text) : text}\n`;
  };
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (raw) {
        await write(chunk);
        continue;
      }
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let text = '';
      let start = 0;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
        text += line(rest.subarray(start, end));
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length > LONGEST_LINE) {
        text += line(rest);
        rest = Buffer.alloc(0);
      }
      if (text !== '') await write(text);
    }
  } catch {
    // The pipe broke with the sandbox; what was read has been passed on.
  }
  if (rest.length > 0) await write(line(rest));
}
