import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import type { Descriptor } from '../../host/handover.ts';
import type { Host } from '../../host/host.ts';
import { MetactlError } from '../../util/error.ts';
import { Client } from './client-connection.ts';
import { encode, type Request, refuse } from './protocol.ts';

/** How a handler tells what happens while it works. */
export interface Conversation {
  /** Sends an event. A client that doesn't read loses the connection. */
  send(event: unknown): void;
  /** Aborted when the client goes away, or by MOVED or ENDING. */
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
/** Bytes of sockaddr_un's path without its NUL. Node binds to what fits of a longer one. */
const LONGEST_PATH = 107;

export interface ControlServer {
  /**
   * Tells all clients whose requests are at work how to go on with the process that takes this one's place; returns when
   * they are told. Who connects or asks then is told the same, until `stay`.
   */
  move(): Promise<void>;
  /** It is this process after all. */
  stay(): void;
  /** Between the two. */
  readonly isMoving: boolean;
  /** Whether who connects to the path comes here: somebody may have removed the socket. */
  isThere(): boolean;
  /**
   * Makes the socket anew; conversations go on. For who still holds the lock, where `isThere` says no.
   * @throws MetactlError METACTL_CONTROL_SOCKET: then it can be tried again.
   */
  renew(): Promise<void>;
  /** In the same turn of the event loop in which this process is replaced. */
  handOver(): HandedControl;
  /** Ends conversations and takes the socket away. */
  close(): Promise<void>;
}

/** The listening socket, and clients that have asked nothing yet, each with the beginning of its request. */
export interface HandedControl {
  readonly listener: Descriptor;
  readonly clients: readonly { readonly socket: Descriptor; readonly begun: Uint8Array }[];
}

/**
 * Listens on a socket in the file system that nobody but its owner may open (0600). The caller holds a lock that says that
 * nobody else listens there: what is at `path` is of a supervisor that is dead.
 * @throws MetactlError METACTL_CONTROL_SOCKET where it can't be made.
 */
export async function listenControl(
  path: string,
  options: ControlOptions,
  handed?: HandedControl,
): Promise<ControlServer> {
  const clients = new Map<Socket, Client>();
  const most = options.limits?.clients ?? MOST_CLIENTS;
  let moving = false;
  const welcome = (socket: Socket, begun?: Uint8Array) => {
    socket.on('error', () => {});
    if (!isAllowed(socket, options.host)) return void socket.destroy();
    if (clients.size >= most) {
      socket.end(encode(refuse(null, 'METACTL_TOO_MANY_CLIENTS', `there are ${most} clients already`)));
      return;
    }
    socket.on('close', () => clients.delete(socket));
    clients.set(socket, new Client(socket, options, () => moving, begun));
  };
  if (Buffer.byteLength(path) > LONGEST_PATH) throw tooLong(path);
  let server: Server;
  /** Of the socket at the path. */
  let name: string | undefined;
  const begin = async (before?: HandedControl) => {
    server = createServer((socket) => welcome(socket));
    await open(server, path, before);
    name = nameOf(path);
    // A client that goes away without us must not end us, nor does a socket keep a process that has nothing to run.
    server.on('error', () => {});
    server.unref();
  };
  await begin(handed);
  for (const { socket, begun } of handed?.clients ?? []) welcome(new Socket({ fd: socket.fd }), begun);
  return {
    async move() {
      moving = true;
      await Promise.all([...clients.values()].map((client) => client.move()));
    },
    stay: () => {
      moving = false;
    },
    get isMoving() {
      return moving;
    },
    isThere: () => name !== undefined && nameOf(path) === name,
    async renew() {
      // First: closed later, it would take away the name of the new one.
      server.close();
      await begin();
    },
    handOver: () => ({
      listener: { fd: fdOf(server) ?? -1 },
      clients: [...clients.values()].flatMap((client) => client.handOver() ?? []),
    }),
    async close() {
      for (const client of clients.values()) client.end();
      // What they answer.
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const [socket, client] of clients) {
          client.flush();
          socket.destroy();
        }
        rmSync(path, { force: true });
      });
    },
  };
}

/** Listens at the path, or where the process before did: below 0 it had no socket just then. */
async function open(server: Server, path: string, before: HandedControl | undefined): Promise<void> {
  try {
    if (before === undefined || before.listener.fd < 0) {
      rmSync(path, { force: true });
      await listen(server, path);
    } else await listenBehind(server, before.listener.fd);
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
}

/** Which file a path leads to: no other has its number while it is open. */
function nameOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}

/** The descriptor behind one of Node's sockets. */
function fdOf(socket: Socket | Server): number | undefined {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } };
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
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

/** A socket that the process before listened on already. */
function listenBehind(server: Server, fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Root, or who runs this supervisor. Where the kernel doesn't say who it is, it's nobody. */
function isAllowed(socket: Socket, host: Pick<Host, 'peerUid'>): boolean {
  const fd = fdOf(socket);
  if (fd === undefined) return false;
  try {
    const uid = host.peerUid(fd);
    return uid === 0 || uid === process.geteuid?.();
  } catch {
    return false;
  }
}
