/** A system call that a filter killed for, refused or logged, as the kernel's log tells of it. */
export interface FilteredCall {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** On the host; somebody else may have it by now. */
  readonly pid: number;
  readonly uid: number;
  /** The process's name and program, chosen by the app: escaped. */
  readonly command: string;
  readonly program: string;
  /** AUDIT_ARCH_… of linux/audit.h: whose convention the call was made by. */
  readonly audit: number;
  /** The call's number in that convention. */
  readonly number: number;
  readonly action: 'kill' | 'trap' | 'errno' | 'trace' | 'log' | 'other';
}

/** Which records are wanted: of this user, from this time on (milliseconds since the epoch), with this action. */
export interface FilteredCallQuery {
  readonly uid: number;
  /** So many users, `uid` the first: those of a user namespace. One unless told. */
  readonly uids?: number;
  readonly since: number;
  readonly action?: FilteredCall['action'];
}
