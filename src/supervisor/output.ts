import type { Readable, Writable } from 'node:stream';
import type { Sandbox, StdioPlan } from '../host/host.ts';
import { escapeText } from '../util/escape.ts';
import { GatheredBytes } from '../util/gathered-bytes.ts';

/** A line longer than this is passed on in pieces: an app that never ends its line must not fill our memory. */
const LONGEST_LINE = 64 * 1024;

/** Where the output of one start goes. */
export interface StartOutput {
  readonly io: StdioPlan;
  /** Called with the sandbox before its first instruction, so that no output is missed. */
  readonly attach: (sandbox: Sandbox) => void;
}

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
  const copy = new OutputCopy(to, options);
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) await copy.push(chunk);
  } catch {
    // The pipe broke with the sandbox; what was read has been passed on.
  }
  await copy.end();
}

/** The same for output that comes piece by piece. */
export class OutputCopy {
  readonly #to: Writable;
  readonly #options: OutputOptions;
  /** The beginning of a line. */
  readonly #rest = new GatheredBytes();

  constructor(to: Writable, options: OutputOptions) {
    this.#to = to;
    this.#options = options;
  }

  /** Keeps the bytes. @returns undefined, or what to wait for before the next ones. */
  push(chunk: Buffer): Promise<void> | undefined {
    if (this.#options.prefix === undefined && !this.#options.escape) return this.#write(chunk);
    let text = '';
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end);
      text += this.#rest.length === 0 ? this.#line(piece) : this.#lineWith(piece);
      start = end + 1;
    }
    if (start < chunk.length) this.#rest.append(chunk.subarray(start));
    if (this.#rest.length > LONGEST_LINE) text += this.#lineWith(NOTHING);
    return text === '' ? undefined : this.#write(text);
  }

  end(): Promise<void> | undefined {
    return this.#rest.length > 0 ? this.#write(this.#lineWith(NOTHING)) : undefined;
  }

  /** The line that was begun, with its end. */
  #lineWith(end: Buffer): string {
    this.#rest.append(end);
    const line = this.#line(this.#rest.bytes);
    this.#rest.clear();
    return line;
  }

  #line(bytes: Buffer): string {
    const text = bytes.toString('utf8');
    return `${this.#options.prefix ?? ''}${this.#options.escape ? escapeText(text) : text}\n`;
  }

  #write(data: string | Buffer): Promise<void> | undefined {
    const to = this.#to;
    if (to.destroyed || to.write(data)) return undefined;
    return new Promise<void>((resolve) => {
      const done = () => {
        for (const event of ['drain', 'close', 'error']) to.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'close', 'error']) to.once(event, done);
    });
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
