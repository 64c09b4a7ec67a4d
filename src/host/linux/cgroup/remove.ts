import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CgroupKernel, errnoOf } from './kernel.ts';
import { busyError, cgroupError } from './make.ts';

/** Milliseconds between attempts; a zombie counts as an occupant until its parent or PID 1 has reaped it. About 5 s in all. */
const PAUSES = [1, 2, 5, 10, 20, 50, ...Array<number>(49).fill(100)];

/**
 * Removes a cgroup's directories, what is below them, and the parents that this leaves empty. A directory that is gone
 * already counts as removed.
 * @param directories of one app or daemon in its hierarchies. @param again is called before every new attempt.
 * @param levels how many parents above go too, if empty.
 * @returns the directories that this call removed. @throws MetactlError METACTL_CGROUP_BUSY where processes stay inside.
 */
export async function removeCgroup(
  kernel: CgroupKernel,
  directories: readonly string[],
  levels: number,
  again: () => void = () => {},
): Promise<string[]> {
  const removed: string[] = [];
  let left = [...directories];
  for (const pause of [...PAUSES, undefined]) {
    left = left.filter((directory) => !tryRemove(kernel, directory, removed));
    if (left.length === 0) break;
    if (pause === undefined) throw busyError(left[0]!, kernel);
    again();
    await sleep(pause);
  }
  for (const directory of directories) removeEmptyParents(kernel, directory, levels, removed);
  return removed;
}

/** @returns false while something is inside. */
function tryRemove(kernel: CgroupKernel, directory: string, removed: string[]): boolean {
  try {
    kernel.rmdir(directory);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return true;
    if (code !== 'EBUSY') throw cgroupError(error, 'remove cgroup', directory);
    const below = kernel.directories(directory).map((name) => join(directory, name));
    if (below.length === 0 || !below.map((path) => tryRemove(kernel, path, removed)).every(Boolean)) return false;
    return tryRemove(kernel, directory, removed);
  }
  removed.push(directory);
  return true;
}

/** Goes up until something is in the way. */
export function removeEmptyParents(kernel: CgroupKernel, directory: string, levels: number, removed: string[]): void {
  let parent = directory;
  for (let level = 0; level < levels; level++) {
    parent = dirname(parent);
    try {
      kernel.rmdir(parent);
    } catch (error) {
      // Another daemon or app is in it, or took it along first.
      if (errnoOf(error) === 'ENOENT') continue;
      return;
    }
    removed.push(parent);
  }
}
