import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync } from 'node:fs';
import { replaceFile } from '../config/install.ts';
import { MetactlError } from '../util/error.ts';
import { fileError } from './files.ts';
import type { FileStep } from './manager.ts';

/** Bytes; what is longer is no text that a service manager reads. */
const LARGEST = 1 << 20;

/**
 * Changes a file of root's as a step says, and leaves it untouched where nothing changes. A new one gets 0644, another one keeps its
 * mode. Never through a link. @throws MetactlError
 */
export function editFile({ file, edit, told }: FileStep): void {
  const before = readIfThere(file, told);
  const after = edit(before);
  if (after === before) return;
  if (after === undefined) rmSync(file, { force: true });
  else replaceFile(file, after, before === undefined ? 0o644 : undefined);
}

function readIfThere(file: string, told: string): string | undefined {
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > LARGEST) throw unreadable(file, told);
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    // What O_NOFOLLOW says of a link.
    throw code === 'ELOOP' ? unreadable(file, told) : fileError('read', file, error);
  }
}

function unreadable(file: string, told: string): MetactlError {
  return new MetactlError(`won't ${told} ${file}: it is no regular file`, {
    code: 'METACTL_UNIT_CHANGED',
    step: 'change a service file',
    path: file,
    hint: 'make it a file, or move it away',
  });
}
