import { fstatSync, statSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * Whether a descriptor is a terminal. A pipe, a file and /dev/null are told by fstat already: `node:tty` brings Node's networking along, which
 * takes 4 ms, and `process.stdout` would make a pipe non-blocking that `exec` is about to hand over.
 */
export function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isCharacterDevice() && stat.rdev !== statSync('/dev/null').rdev && isatty(fd);
  } catch {
    // Closed.
    return false;
  }
}
