import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseMountinfo } from './facts.ts';

/** Mount points at and below a path that need not be there, from the text of /proc/self/mountinfo; its parents may be links. */
export function mountsBelow(mountinfo: string, path: string): readonly string[] {
  let real: string;
  try {
    real = join(realpathSync(dirname(path)), basename(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const points = parseMountinfo(mountinfo).map((mount) => mount.path);
  return [...new Set(points.filter((point) => point === real || point.startsWith(`${real}/`)))];
}
