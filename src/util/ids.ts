/** Ids of one app's user namespace: 0 to 65535, as systemd-nspawn and container engines give. */
export const BLOCK_SIZE = 65_536;

/** A user and a group, by number. */
export interface IdPair {
  readonly uid: number;
  readonly gid: number;
}

/** The ids of a process as the host sees them. `first`: of its user namespace's block, if it has one. Pure. */
export function hostIds({ uid, gid }: IdPair, first: number | undefined): IdPair {
  return first === undefined ? { uid, gid } : { uid: first + uid, gid: first + gid };
}
