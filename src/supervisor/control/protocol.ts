import { EXIT, MetactlError, messageLine } from '../../util/error.ts';
import { quoted } from '../../util/escape.ts';

/**
 * The control protocol (DESIGN §4): one JSON object a line, both ways, over a unix socket in /run/metactl. A request is
 * `{v, id, verb, …}`. It is answered by any number of `{v, id, event}` and one `{v, id, result}` or `{v, id, error}`.
 * `{v, id}` alone says that the supervisor lives and still works on it; `{v, id, next}` that another process takes its place
 * and has to be asked what `next` says.
 */
export const PROTOCOL_VERSION = 1;

/** Bytes of one request line: names and a few options. */
export const LONGEST_REQUEST = 64 * 1024;
/** Bytes of one line of an answer: the status of a thousand daemons is 1 MiB. */
export const LONGEST_ANSWER = 64 * 1024 * 1024;
/** Milliseconds between signs of life while a request takes long. */
export const SIGN_OF_LIFE = 2000;

export interface Request {
  readonly v: number;
  readonly id: number;
  readonly verb: string;
  readonly [argument: string]: unknown;
}

/** A MetactlError as it travels. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly step?: string;
  readonly path?: string;
  readonly hint?: string;
  readonly exitStatus?: number;
}

export interface Answer {
  readonly v: number;
  /** Null where the request could not be read as far as its id. */
  readonly id: number | null;
  readonly event?: unknown;
  readonly result?: unknown;
  readonly error?: ErrorRecord;
  /** Another process takes the supervisor's place: it wants to be asked this instead, on a connection of its own. */
  readonly next?: Readonly<Record<string, unknown>>;
}

/** Pure. */
export function encode(message: Request | Answer): string {
  return `${JSON.stringify(message)}\n`;
}

/**
 * Reads one line of a client. Pure.
 * @returns the request, or the answer that it gets because it is none.
 */
export function readRequest(line: string): { readonly request: Request } | { readonly refusal: Answer } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { refusal: refuse(null, 'METACTL_BAD_REQUEST', 'the request is no JSON') };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { refusal: refuse(null, 'METACTL_BAD_REQUEST', 'the request is no JSON object') };
  }
  const { v, id, verb } = value as Partial<Request>;
  const known = Number.isSafeInteger(id) ? (id as number) : null;
  if (v !== PROTOCOL_VERSION) {
    return { refusal: refuse(known, 'METACTL_PROTOCOL_VERSION', `this supervisor speaks version ${PROTOCOL_VERSION}`) };
  }
  if (known === null || typeof verb !== 'string') {
    return { refusal: refuse(known, 'METACTL_BAD_REQUEST', 'the request has no id or no verb') };
  }
  return { request: value as Request };
}

/** Pure. */
export function unknownVerb({ id, verb }: Request, known: readonly string[]): Answer {
  return refuse(id, 'METACTL_UNKNOWN_VERB', `this supervisor has no verb ${quoted(verb)}; it has ${known.join(' ')}`);
}

/** Pure. */
export function refuse(id: number | null, code: string, message: string): Answer {
  return { v: PROTOCOL_VERSION, id, error: { code, message } };
}

/** Pure. */
export function errorRecord(error: unknown): ErrorRecord {
  if (!(error instanceof MetactlError)) {
    return { code: 'METACTL_UNEXPECTED', message: messageLine(error) };
  }
  const { code, message, step, path, hint, exitStatus } = error;
  return {
    ...{ code, message, exitStatus },
    ...(step === undefined ? {} : { step }),
    ...(path === undefined ? {} : { path }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** The error of the other side, whose message has been made safe there, to be thrown on this one. Pure. */
export function errorOf({ message, ...fields }: ErrorRecord): MetactlError {
  return new MetactlError(message.split('\n'), { ...fields, exitStatus: fields.exitStatus ?? EXIT.error });
}

/** Collects bytes into lines; a line longer than `longest` bytes is told once, and everything after it thrown away. */
export class LineReader {
  readonly #longest: number;
  #pieces: Buffer[] = [];
  #length = 0;
  #overflowed = false;

  constructor(longest: number) {
    this.#longest = longest;
  }

  /** The beginning of a line. */
  get rest(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** @returns the lines that are complete now. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0 && !this.#overflowed; end = chunk.indexOf(10, start)) {
      this.#keep(chunk.subarray(start, end));
      start = end + 1;
      if (this.#overflowed) break;
      lines.push(Buffer.concat(this.#pieces).toString('utf8'));
      this.#pieces = [];
      this.#length = 0;
    }
    if (!this.#overflowed) this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length > this.#longest) {
      this.#overflowed = true;
      this.#pieces = [];
    } else if (piece.length > 0) this.#pieces.push(piece);
  }
}
