import { EXIT, MetactlError } from '../../util/error.ts';

/** What a step at a log failed with, in an administrator's words. Pure. */
export function logError(error: unknown, step: string, path: string): MetactlError {
  if (error instanceof MetactlError) return error;
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  const forbidden = code === 'EACCES' && process.geteuid?.() !== 0;
  const what = code === 'METACTL_NO_FILE' ? 'it is no file' : code;
  return new MetactlError(`can't ${step} ${path}: ${what}`, {
    code,
    step,
    path,
    cause: error,
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
    hint: HINTS[code] ?? (forbidden ? 'run it as root, or as a member of the group adm' : 'look at what is there'),
    exitStatus: forbidden ? EXIT.needsRoot : EXIT.error,
  });
}

const HINTS: Readonly<Record<string, string>> = {
  ELOOP: 'a symlink is there; move it away',
  METACTL_NO_FILE: 'move it away',
  ENOTDIR: 'something else is there; move it away',
  EPERM: 'it must belong to root; look at it, then remove it',
  ENOSPC: 'no space is left there: make some',
  EROFS: 'the file system is read-only',
};
