import { copyFileSync, fstatSync, ftruncateSync, renameSync, statSync, writeSync } from 'node:fs';
import { escapeText } from '../util/escape.ts';

/** Bytes at which supervisor.log is rotated, and how many of the old ones are kept: .1 is the youngest. */
const MOST = 5 << 20;
const KEPT = 3;

/**
 * Writes lines with their time to a descriptor; what could steer a terminal or begin another line is escaped. Where that is the file at `path`, and it has grown large, its content goes to
 * `path.1`, and it begins anew: the descriptor stays the same, since Node itself writes to it too. It must be open for appending.
 * @param most bytes. @returns what writes a line; a full disk must not end what it is told about.
 */
export function ownLog(fd: number, path: string, most: number = MOST): (line: string) => void {
  return (line) => {
    try {
      writeSync(fd, `${new Date().toISOString()} ${escapeText(line)}\n`);
      if (isLarge(fd, path, most)) rotate(fd, path);
    } catch {
      // Nobody can be told.
    }
  };
}

function isLarge(fd: number, path: string, most: number): boolean {
  const own = fstatSync(fd);
  if (!own.isFile() || own.size < most) return false;
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.dev === own.dev && there.ino === own.ino;
}

function rotate(fd: number, path: string): void {
  for (let number = KEPT - 1; number >= 1; number--) {
    if (statSync(`${path}.${number}`, { throwIfNoEntry: false }) === undefined) continue;
    renameSync(`${path}.${number}`, `${path}.${number + 1}`);
  }
  copyFileSync(path, `${path}.1`);
  ftruncateSync(fd, 0);
}
