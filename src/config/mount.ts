import { isAbsolute, normalize } from 'node:path';
import { parseSize } from '../util/size.ts';

/** A value of `[sandbox.mounts]`, read. */
export type MountValue =
  | { readonly kind: 'ro' | 'rw' /** Absent: the path itself. */; readonly from?: string }
  | { readonly kind: 'hide' }
  | { readonly kind: 'tmpfs' /** Bytes. */; readonly size?: number };

/** tmpfs mounts without a size get this much, as `/dev/shm` does. */
export const DEFAULT_TMPFS_SIZE = 64 * 1024 * 1024;

export const MOUNT_EXPECTED = 'ro, rw, hide, tmpfs[:SIZE] or [ro:|rw:]from:/other (absolute)';

/** Reads `ro | rw | hide | tmpfs[:SIZE] | [ro:|rw:]from:/other`; `from:` alone is read-only. Undefined: none of these. */
export function parseMount(text: string): MountValue | undefined {
  if (text === 'ro' || text === 'rw' || text === 'hide' || text === 'tmpfs') return { kind: text };
  if (text.startsWith('tmpfs:')) {
    const size = parseSize(text.slice('tmpfs:'.length));
    return size === undefined || size === 0 || size === Number.POSITIVE_INFINITY ? undefined : { kind: 'tmpfs', size };
  }
  const from = /^(?:(ro|rw):)?from:(.+)$/s.exec(text);
  if (from === null || !isPlainPath(from[2]!)) return undefined;
  return { kind: from[1] === 'rw' ? 'rw' : 'ro', from: from[2]! };
}

/** Absolute, without `.`, `..`, doubled slashes and a slash at the end: it names what it seems to name. */
export function isPlainPath(path: string): boolean {
  return isAbsolute(path) && !path.includes('\0') && normalize(path) === path && (path === '/' || !path.endsWith('/'));
}

/** Whether a path is one of the directories or below one. Text only: links are the planner's matter. */
export function isWithin(path: string, directories: readonly string[]): boolean {
  return isPlainPath(path) && directories.some((directory) => path === directory || path.startsWith(`${directory}/`));
}
