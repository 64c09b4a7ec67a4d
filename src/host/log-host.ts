import type { Paths } from '../util/paths.ts';

/** What logs need of the operating system. */
export interface LogHost {
  /**
   * Opens `/var/log/metactl/<app>` for a reader.
   * @returns undefined where it isn't there. @throws MetactlError where it can't be opened.
   */
  directory(paths: Paths, app: string): LogDirectory | undefined;
  /**
   * The same for who writes: makes it first, 0750 and of group `adm` (root's where there is no such group).
   * @throws MetactlError where it can't be opened, or is somebody else's.
   */
  store(paths: Paths, app: string): Promise<LogStore>;
  /** The same directory by a descriptor that `LogStore.fd` told to the process before. */
  storeBehind(fd: number, path: string): LogStore;
  /**
   * Copies the lines of `input` to `output` from `at` on, each behind `head`, whose byte at `mark` becomes `:` (a line),
   * `+` (it goes on in the next one) or, for what comes after the last line feed, `last`. No line gets longer than `longest`.
   * @returns bytes taken and made; not all are taken where the output is full.
   */
  frame(
    input: Uint8Array,
    output: Uint8Array,
    at: number,
    head: LineHead,
    longest: number,
    last: number,
  ): { readonly consumed: number; readonly written: number };
  /** `path` may be `@name`, an abstract one. @throws MetactlError with the errno where nobody listens there. */
  socket(path: string): LogSocket;
  /** The unit that a process is in, where journald drops what the unit says over a limit; undefined where it drops nothing. */
  limitedUnit(pid: number): string | undefined;
  /** Where the system's log daemons listen. */
  readonly sockets: { readonly journal: string; readonly syslog: string };
}

export interface LineHead {
  readonly bytes: Uint8Array;
  /** Index of the byte that says how the line ends. */
  readonly mark: number;
}

/** An open directory of logs, to be read. Names are plain file names in it; no link is followed. */
export interface LogDirectory {
  readonly path: string;
  readonly fd: number;
  /** @returns a descriptor, or undefined where there is no such file. */
  read(name: string): number | undefined;
  list(): readonly string[];
  close(): void;
}

/**
 * An open directory of logs that only root writes. Whatever asks the disk does so in a thread of Node's pool: it may hang. Names
 * are plain file names in it; no link is followed.
 */
export interface LogStore {
  readonly path: string;
  readonly fd: number;
  /** Opens for appending, makes it (0640, of group `adm`) unless it is there. */
  open(name: string): Promise<LogFile>;
  /** Makes a new file of the same owner and mode; one of that name goes first. @returns its descriptor. */
  create(name: string): Promise<number>;
  /** @returns a descriptor, or undefined where there is no such file. */
  read(name: string): Promise<number | undefined>;
  /** Whether this directory still is at its path, and has that very file by that name; no link is followed. */
  holds(name: string, fd: number): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** Nothing where it isn't there. */
  remove(name: string): Promise<void>;
  list(): Promise<readonly string[]>;
  /** The same, as somebody has found it a moment ago. */
  names(): Promise<readonly string[]>;
  /** Another one, which outlives this one. */
  again(): Promise<LogStore>;
  close(): void;
}

export interface LogFile {
  readonly fd: number;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** False after a crash in the midst of a line. */
  readonly endsLine: boolean;
}

/** What goes before and after each line that is sent. */
export interface Envelope {
  readonly head: Buffer;
  /** In place of `head` for a line that goes on in the next one. */
  readonly continued: Buffer;
  /** In place of `head` for a line that was never ended. */
  readonly unended: Buffer;
  readonly tail: Buffer;
  /** journald takes what is too large for a datagram as a memfd. */
  readonly memfd: boolean;
}

export interface LogSocket {
  /**
   * Sends lines of the form mark, text, line feed, one datagram each. Waits while the log daemon is busy, at most 200 ms.
   * @returns bytes sent and the errno's name that ended it; the buffer is the callee's until then.
   */
  send(envelope: Envelope, lines: Uint8Array): Promise<{ readonly done: number; readonly error: string | undefined }>;
  close(): void;
}
