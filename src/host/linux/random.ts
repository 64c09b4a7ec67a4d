import { closeSync, openSync, readSync } from 'node:fs';

/**
 * So many random bytes as hex digits, from the kernel. `node:crypto` has the same, but loading it costs the first start of a
 * process 4 ms. @throws Error where /dev/urandom can't be read.
 */
export function randomHex(bytes: number): string {
  const random = Buffer.alloc(bytes);
  const fd = openSync('/dev/urandom', 'r');
  try {
    if (readSync(fd, random) !== bytes) throw new Error('/dev/urandom gave too little');
  } finally {
    closeSync(fd);
  }
  return random.toString('hex');
}
