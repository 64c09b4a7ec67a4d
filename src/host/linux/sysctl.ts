import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { MetactlError } from '../../util/error.ts';

/** Sysctls by their path below /proc/sys: a device's name may hold the dot that sysctl(8) would take for a separator. */

const ROOT = '/proc/sys';

/** @returns undefined where the kernel has no such key (a device that is gone, a kernel without IPv6). */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(`${ROOT}/${key}`, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw sysctlError(error, 'read', key);
  }
}

/** @returns false where the kernel has no such key. @throws MetactlError where it can't be written. */
export function writeSysctl(key: string, value: string): boolean {
  try {
    const fd = openSync(`${ROOT}/${key}`, 'w');
    try {
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw sysctlError(error, 'write', key);
  }
}

function sysctlError(error: unknown, what: string, key: string): MetactlError {
  const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
  return new MetactlError(`can't ${what} the sysctl ${key}: ${code}`, {
    code,
    step: `${what} sysctl`,
    path: `${ROOT}/${key}`,
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
    cause: error,
    hint:
      code === 'EROFS' ? '/proc/sys is mounted read-only: run metactl on the host itself' : 'metactl must run as root',
  });
}
