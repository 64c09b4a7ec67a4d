/** What holds a lock, as far as it can be seen from here. */
export interface LockHolder {
  readonly pid: number;
  /** Its command line, passwords masked; undefined where it can't be read. */
  readonly command: string | undefined;
}

export interface LockRequest {
  /** Absolute; made where it is missing. May be a link. */
  readonly directory: string;
  /** Of `directory`, where it is made: `0o700`. Undefined: it may be anybody's; else it must be this user's, and no link. */
  readonly privateMode?: number;
  /** Of the file in it. */
  readonly name: string;
  /** Milliseconds. */
  readonly patience: number;
  /** Called once, where it is not free. */
  readonly onWait: (holder: LockHolder | undefined) => void;
}

export interface FileLock {
  /** Also takes the file away. */
  release(): void;
}

/**
 * The part of a host that keeps apart processes which write the same files: flock(2) on a file of this user's that nobody else can
 * open. The kernel lets go of it with the process.
 */
export interface FileLocks {
  /**
   * @returns undefined where another process keeps it for longer.
   * @throws MetactlError METACTL_UNSAFE_LOCK where the file is not this user's; what the system says.
   */
  hold(request: LockRequest): Promise<FileLock | undefined>;
  /** What holds it now. */
  holderOf(request: Pick<LockRequest, 'directory' | 'name'>): LockHolder | undefined;
}
