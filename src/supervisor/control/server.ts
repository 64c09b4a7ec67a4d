import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Host } from '../../host/host.ts';
import { MetactlError } from '../../util/error.ts';
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

/** How a handler tells what happens while it works. */
export interface Conversation {
  /** Sends an event. A client that doesn't read loses the connection. */
  send(event: unknown): void;
  /** Aborted when the client goes away. */
  readonly gone: AbortSignal;
}

/** What a verb does. What it returns becomes the result; a MetactlError becomes the client's error. */
export type Handler = (request: Request, conversation: Conversation) => unknown;

export interface ControlOptions {
  readonly host: Pick<Host, 'peerUid'>;
  readonly handlers: Readonly<Record<string, Handler>>;
  readonly limits?: { readonly clients?: number; readonly patience?: number; readonly backlog?: number };
}

/** Each costs a few descriptors; more than this is no administrator. */
const MOST_CLIENTS = 64;
/** Milliseconds that a connection may stay without a request at work. */
const PATIENCE = 30_000;
/** Bytes of sockaddr_un's path without its NUL. Node binds to what fits of a longer one. */
const LONGEST_PATH = 107;
/** Bytes that a client may leave unread. */
const MOST_BACKLOG = 4 * 1024 * 1024;

export interface ControlServer {
  /** Ends conversations and takes the socket away. */
  close(): Promise<void>;
}

/**
 * Listens on a socket in the file system that nobody but its owner may open (0600). The caller holds a lock that says that
 * nobody else listens there: what is at `path` is of a supervisor that is dead.
 * @throws MetactlError METACTL_CONTROL_SOCKET where it can't be made.
 */
export async function listenControl(path: string, options: ControlOptions): Promise<ControlServer> {
  const clients = new Set<Socket>();
  const most = options.limits?.clients ?? MOST_CLIENTS;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (!isAllowed(socket, options.host)) return void socket.destroy();
    if (clients.size >= most) {
      socket.end(encode(refuse(null, 'METACTL_TOO_MANY_CLIENTS', `there are ${most} clients already`)));
      return;
    }
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    converse(socket, options);
  });
  if (Buffer.byteLength(path) > LONGEST_PATH) throw tooLong(path);
  try {
    rmSync(path, { force: true });
    await listen(server, path);
  } catch (error) {
    const { code = 'EIO', syscall } = error as NodeJS.ErrnoException;
    throw new MetactlError(`can't listen on ${path}: ${code}`, {
      code: 'METACTL_CONTROL_SOCKET',
      step: 'make the control socket',
      path,
      ...(syscall === undefined ? {} : { syscall }),
      hint: 'look at the directory',
      cause: error,
    });
  }
  // A client that goes away without us must not end us, nor does a socket keep a process that has nothing to run.
  server.on('error', () => {});
  server.unref();
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
        rmSync(path, { force: true });
      }),
  };
}

function tooLong(path: string): MetactlError {
  return new MetactlError(`${path} is too long for a socket: ${LONGEST_PATH} bytes are allowed`, {
    code: 'METACTL_CONTROL_SOCKET',
    step: 'make the control socket',
    path,
    hint: 'use a shorter --root',
  });
}

/** The mask is the whole process's, so nothing else may be made between: bind(2) is called before `listen` returns. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        chmodSync(path, 0o600);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** Root, or who runs this supervisor. Where the kernel doesn't say who it is, it's nobody. */
function isAllowed(socket: Socket, host: Pick<Host, 'peerUid'>): boolean {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } };
  if (typeof handle?.fd !== 'number' || handle.fd < 0) return false;
  try {
    const uid = host.peerUid(handle.fd);
    return uid === 0 || uid === process.geteuid?.();
  } catch {
    return false;
  }
}

function converse(socket: Socket, { handlers, limits = {} }: ControlOptions): void {
  const reader = new LineReader(LONGEST_REQUEST);
  const patience = limits.patience ?? PATIENCE;
  const backlog = limits.backlog ?? MOST_BACKLOG;
  const gone = new AbortController();
  let working = 0;
  const send = (answer: Answer) => {
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(encode(answer));
    if (socket.writableLength > backlog) socket.destroy();
  };
  const work = async (request: Request) => {
    const { id, verb } = request;
    const handler = Object.hasOwn(handlers, verb) ? handlers[verb] : undefined;
    if (handler === undefined) return send(unknownVerb(request, Object.keys(handlers)));
    working++;
    socket.setTimeout(0);
    const alive = setInterval(() => send({ v: PROTOCOL_VERSION, id }), SIGN_OF_LIFE);
    try {
      const conversation = { send: (event: unknown) => send({ v: PROTOCOL_VERSION, id, event }), gone: gone.signal };
      send({ v: PROTOCOL_VERSION, id, result: (await handler(request, conversation)) ?? null });
    } catch (error) {
      send({ v: PROTOCOL_VERSION, id, error: errorRecord(error) });
    } finally {
      clearInterval(alive);
      if (--working === 0) socket.setTimeout(patience);
    }
  };
  socket.setTimeout(patience, () => socket.destroy());
  socket.on('close', () => gone.abort());
  socket.on('data', (chunk: Buffer) => {
    for (const line of reader.push(chunk)) {
      const read = readRequest(line);
      if ('refusal' in read) send(read.refusal);
      else void work(read.request);
    }
    if (reader.overflowed && !socket.writableEnded) {
      socket.end(encode(refuse(null, 'METACTL_BAD_REQUEST', `a request is longer than ${LONGEST_REQUEST} bytes`)));
    }
  });
}
