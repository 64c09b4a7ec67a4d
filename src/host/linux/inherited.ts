import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** From open(2). */
const O_CLOEXEC = 0o2000000;
const LAST_STANDARD = 2;

/**
 * See Host.closeInherited. Everything that Node and the addon open is close-on-exec, so what is not came from whoever
 * started this process: a shell's lock or pipe that would be held as long as a supervisor lives.
 */
export function closeInherited(keep: readonly number[]): number {
  let closed = 0;
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd <= LAST_STANDARD || keep.includes(fd) || !isInherited(fd)) continue;
    closeSync(fd);
    closed++;
  }
  return closed;
}

function isInherited(fd: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    // The directory's own descriptor, which is gone by now.
    return false;
  }
}
