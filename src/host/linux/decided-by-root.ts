import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** MAXSYMLINKS of linux/namei.h. */
const MOST_LINKS = 40;
/** S_IWGRP | S_IWOTH: of a sticky directory, too, since a name that is not there yet is anybody's. */
const OTHERS_WRITE = 0o022;

/**
 * Whether root alone decides what an absolute path leads to: every directory in which one of its names is looked up, also on the
 * way that symbolic links take, belongs to root and may be written by nobody else. What it leads to may be anybody's.
 * @returns false where a part of it is not there.
 */
export function decidedByRoot(path: string): boolean {
  let at = '/';
  let links = 0;
  const names = namesOf(path);
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const directory = lstatSync(at, { throwIfNoEntry: false });
    if (directory === undefined || directory.uid !== 0 || (directory.mode & OTHERS_WRITE) !== 0) return false;
    const next = name === '..' ? dirname(at) : join(at, name);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (found === undefined) return false;
    if (!found.isSymbolicLink()) {
      at = next;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return false;
    const target = readlinkSync(next);
    names.unshift(...namesOf(target));
    if (target.startsWith('/')) at = '/';
  }
  return true;
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
