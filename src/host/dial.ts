/** The process at the other end of a socket, or with a lock. */
export interface Peer {
  readonly pid: number;
  /** By a signal (SIGSTOP, SIGTSTP) or a debugger: it does nothing until it is told to go on. */
  readonly isStopped: boolean;
}

/**
 * The part of a host that reaches a supervisor without Node's networking, which takes 4 ms to load: a blocking stream socket, connected
 * to the unix socket at `path`. No call on it waits longer than so many milliseconds (EAGAIN).
 * @returns a descriptor, the caller's. @throws MetactlError with the errno as its code.
 */
export interface Dial {
  (path: string, milliseconds: number): number;
  /** Who listens at the other end of a connection; undefined where the kernel does not tell, or it has ended. */
  peer(fd: number): Peer | undefined;
}
