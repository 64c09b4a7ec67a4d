import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { Descriptor } from '../../host/handover.ts';
import { ENDING, GoOn, isMoved, MOVED } from './moving.ts';
import {
  type Answer,
  encode,
  errorRecord,
  LineReader,
  LONGEST_REQUEST,
  PROTOCOL_VERSION,
  type Request,
  readRequest,
  refuse,
  SIGN_OF_LIFE,
  unknownVerb,
} from './protocol.ts';
import type { ControlOptions } from './server.ts';

/** Milliseconds that a connection may stay without a request at work. */
const PATIENCE = 30_000;
/** Bytes that a client may leave unread. */
const MOST_BACKLOG = 4 * 1024 * 1024;
/** Milliseconds that a handler gets to say by what request its client goes on; else it is the same one. */
const MOVE = 100;

/** A connection to a control socket, and the requests that came by it. */
export class Client {
  readonly #socket: Socket;
  readonly #options: ControlOptions;
  readonly #isMoving: () => boolean;
  readonly #reader = new LineReader(LONGEST_REQUEST);
  readonly #gone = new AbortController();
  /** Requests at work, each with what sends its answer unless that was done. */
  readonly #work = new Map<Request, (answer: Omit<Answer, 'v' | 'id'>) => void>();
  #idle: (() => void)[] = [];
  #flushing: NodeJS.Immediate | undefined;

  /** @param begun of a request that another process had read. */
  constructor(socket: Socket, options: ControlOptions, isMoving: () => boolean, begun?: Uint8Array) {
    this.#socket = socket;
    this.#options = options;
    this.#isMoving = isMoving;
    socket.setTimeout(this.#patience, () => socket.destroy());
    // One for each daemon that a request waits for: with more than ten Node would warn of a leak.
    setMaxListeners(0, this.#gone.signal);
    socket.on('close', () => this.#gone.abort());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    if (begun !== undefined && begun.length > 0) this.#read(Buffer.from(begun));
  }

  /** Resolves when all its requests have been answered, by what to go on with at the latest. */
  async move(): Promise<void> {
    if (this.#work.size === 0) return;
    this.#gone.abort(MOVED);
    const timer = setTimeout(() => this.#moveRest(), MOVE);
    await new Promise<void>((resolve) => this.#idle.push(resolve));
    clearTimeout(timer);
  }

  /** The supervisor ends: who only listens is answered that there is no more, all others hear nothing. */
  end(): void {
    this.#gone.abort(ENDING);
  }

  /** Undefined for one that has asked already: it has been told to connect again. One that has just left has a handle of null. */
  handOver(): { readonly socket: Descriptor; readonly begun: Uint8Array } | undefined {
    const { _handle: handle } = this.#socket as Socket & { readonly _handle?: { readonly fd: number } | null };
    if (this.#gone.signal.aborted || this.#work.size > 0 || handle === undefined || handle === null || handle.fd < 0)
      return undefined;
    return { socket: { fd: handle.fd }, begun: this.#reader.rest };
  }

  get #patience(): number {
    return this.#options.limits?.patience ?? PATIENCE;
  }

  #read(chunk: Buffer): void {
    for (const line of this.#reader.push(chunk)) {
      const read = readRequest(line);
      if ('refusal' in read) this.#send(read.refusal);
      else void this.#carryOut(read.request);
    }
    if (this.#reader.overflowed && !this.#socket.writableEnded) {
      this.#socket.end(
        encode(refuse(null, 'METACTL_BAD_REQUEST', `a request is longer than ${LONGEST_REQUEST} bytes`)),
      );
    }
  }

  #send(answer: Answer): void {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(encode(answer));
    if (!('event' in answer)) this.flush();
    if (socket.writableLength > (this.#options.limits?.backlog ?? MOST_BACKLOG)) socket.destroy();
  }

  /** Events that come together go together: each write would wake the client. An answer takes them along. */
  #gather(): void {
    if (this.#flushing !== undefined) return;
    this.#socket.cork();
    this.#flushing = setImmediate(() => this.flush());
  }

  /** Sends what has been gathered. */
  flush(): void {
    if (this.#flushing === undefined) return;
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    this.#socket.uncork();
  }

  async #carryOut(request: Request): Promise<void> {
    const { handlers } = this.#options;
    const { id, verb } = request;
    const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined;
    if (handler === undefined) return this.#send(unknownVerb(request, Object.keys(handlers)));
    if (this.#isMoving()) return this.#send({ v: PROTOCOL_VERSION, id, next: again(request) });
    const answer = this.#begin(request);
    try {
      const send = (event: unknown) => {
        this.#gather();
        this.#send({ v: PROTOCOL_VERSION, id, event });
      };
      answer({ result: (await handler(request, { send, gone: this.#gone.signal })) ?? null });
    } catch (error) {
      if (error instanceof GoOn) answer({ next: error.request });
      // What failed because it is moved is asked again.
      else if (isMoved(this.#gone.signal)) answer({ next: again(request) });
      // Its client has not gone: it sees that the supervisor has.
      else if (this.#gone.signal.reason === ENDING) return;
      else answer({ error: errorRecord(error) });
    }
  }

  /** @returns what sends the answer, once. */
  #begin(request: Request): (answer: Omit<Answer, 'v' | 'id'>) => void {
    const { id } = request;
    this.#socket.setTimeout(0);
    const alive = setInterval(() => this.#send({ v: PROTOCOL_VERSION, id }), SIGN_OF_LIFE);
    const answer = (one: Omit<Answer, 'v' | 'id'>) => {
      if (!this.#work.delete(request)) return;
      clearInterval(alive);
      this.#send({ v: PROTOCOL_VERSION, id, ...one });
      if (this.#work.size > 0) return;
      this.#socket.setTimeout(this.#patience);
      for (const resolve of this.#idle.splice(0)) resolve();
    };
    this.#work.set(request, answer);
    return answer;
  }

  /** Nothing was begun for these: whatever is begun ends before a process is replaced. */
  #moveRest(): void {
    for (const [request, answer] of [...this.#work]) answer({ next: again(request) });
  }
}

/** The same request. Pure. */
function again({ v, id, ...request }: Request): Readonly<Record<string, unknown>> {
  return request;
}
