import type { Paths } from '../util/paths.ts';

/** A message of sd_notify(3) as it came, after its sender was looked at. */
export interface Notification {
  /** Undefined where it can't be one: too long, or torn. */
  readonly text: Buffer | undefined;
  /** Of the sender, on the host. */
  readonly pid: number;
  /** How many descriptors came with it. They are closed once the listener has returned, unless it keeps them. */
  readonly descriptors: number;
  /**
   * Keeps them for the daemon's next start. @param most how many it may keep in all. @param watched lets go of one once its
   * other end has hung up. @returns how many there was no room for.
   */
  keep(name: string, most: number, watched: boolean): number;
  /** Why it is not to be obeyed; absent: it is the daemon's. */
  readonly problem?: 'foreign' | 'oversized' | 'incomplete';
}

/** The socket that one daemon tells its supervisor by (`NOTIFY_SOCKET`), over all of its starts. */
export interface NotifySocket {
  /**
   * From now on messages of the sandbox with this PID 1 count, and nobody else's; of an earlier one they are dropped.
   * @param listener called in the event loop, and never after `close`.
   */
  listen(pid: number, listener: (message: Notification) => void): void;
  /** The daemon's program runs in it: what this process says counts also where it has ended when that is read. */
  executed(): void;
  /** Lets go of what is kept by that name. */
  forget(name: string): void;
  /** Hands over what is kept, to whoever puts it into the next socket of the same daemon, or closes it. */
  release(): StoredDescriptors;
  restore(stored: StoredDescriptors): void;
  close(): void;
}

/** Who may write to a notify socket, beside root. */
export interface NotifyAccess {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Descriptors that a daemon has left for its next start. */
export interface StoredDescriptors {
  close(): void;
}

/**
 * Where a daemon's notify socket is on the host: among its app's run files, which only root can reach; from there it is
 * bound into the sandbox. Without a sandbox the daemon itself must reach it, so it has a directory of its own. Pure.
 */
export function notifyPath(paths: Paths, app: string, daemon: string, sandboxed: boolean): string {
  return sandboxed ? `${paths.runApp(app)}/${daemon}.notify` : `${paths.notifyDirectory}/${app}.${daemon}`;
}
