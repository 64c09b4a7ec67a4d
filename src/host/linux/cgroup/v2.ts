import { join } from 'node:path';
import { MetactlError } from '../../../util/error.ts';
import { SUPERVISOR_LEAF } from './detect.ts';
import { type CgroupKernel, errnoOf } from './kernel.ts';
import { cgroupError, makeLeaf } from './make.ts';
import type { Hierarchy, LeafPath } from './tree.ts';

/**
 * Makes a daemon's directory in the v2 tree. Its controllers are handed down from the supervisor's own cgroup, which must
 * have none but metactl's own processes then (v2 allows processes only at the leaves).
 */
export function makeLeafV2(kernel: CgroupKernel, hierarchy: Hierarchy, path: LeafPath): void {
  makeLeaf(kernel, path);
  if (hierarchy.controllers.length === 0) return;
  if (!enable(kernel, path.base, hierarchy.controllers)) {
    stepAside(kernel, path.base);
    if (!enableSoon(kernel, path.base, hierarchy.controllers)) {
      stepBack(kernel, path.base);
      throw sharedError(path.base);
    }
  }
  for (const directory of [path.tree, path.app]) {
    if (!enable(kernel, directory, hierarchy.controllers)) throw sharedError(directory);
  }
  if (hierarchy.controllers.includes('memory')) killTogether(kernel, path.leaf);
}

/**
 * Out of memory ends the daemon with all its processes, not one that the kernel picks: half of a daemon is worse than
 * none, which is restarted. PID 1 of the sandbox is exempt, by its oom_score_adj of -1000. Since Linux 4.19.
 */
function killTogether(kernel: CgroupKernel, leaf: string): void {
  const file = join(leaf, 'memory.oom.group');
  try {
    kernel.write(file, '1');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw cgroupError(error, 'write', file);
  }
}

/** @returns false where processes in the directory forbid it. */
function enable(kernel: CgroupKernel, directory: string, controllers: readonly string[]): boolean {
  const file = join(directory, 'cgroup.subtree_control');
  const enabled = (kernel.read(file) ?? '').trim().split(' ');
  const missing = controllers.filter((name) => !enabled.includes(name));
  if (missing.length === 0) return true;
  try {
    kernel.write(file, missing.map((name) => `+${name}`).join(' '));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return false;
    throw cgroupError(error, 'write', file);
  }
}

/** Longest and single waits for threads that end, ms. */
const PATIENCE = 1000;
const PAUSE = 5;

/**
 * As `enable`, once this process has left. Its threads that are about to end (one made the network) are not moved with it
 * and keep the cgroup busy for a moment, in which no process is to be seen in it.
 */
function enableSoon(kernel: CgroupKernel, directory: string, controllers: readonly string[]): boolean {
  for (let waited = 0; waited < PATIENCE; waited += PAUSE) {
    if (enable(kernel, directory, controllers)) return true;
    if ((kernel.read(join(directory, 'cgroup.procs')) ?? '').trim() !== '') return false;
    kernel.pause(PAUSE);
  }
  return enable(kernel, directory, controllers);
}

/** Moves this process, and nobody else, to a leaf below the cgroup that it was started in. */
function stepAside(kernel: CgroupKernel, base: string): void {
  const leaf = join(base, SUPERVISOR_LEAF);
  try {
    kernel.mkdir(leaf);
    kernel.write(join(leaf, 'cgroup.procs'), String(process.pid));
  } catch (error) {
    throw cgroupError(error, 'move the supervisor to cgroup', leaf);
  }
}

/** Leaves nothing in a cgroup that turned out to be shared. */
function stepBack(kernel: CgroupKernel, base: string): void {
  try {
    kernel.write(join(base, 'cgroup.procs'), String(process.pid));
    kernel.rmdir(join(base, SUPERVISOR_LEAF));
  } catch {
    // Another metactl is in it. The error to come is the one to tell.
  }
}

function sharedError(directory: string): MetactlError {
  return new MetactlError(`cgroup ${directory} can't hand on its controllers: other processes are in it`, {
    code: 'METACTL_CGROUP_SHARED',
    step: 'make cgroup',
    path: directory,
    hint: 'start metactl in a cgroup of its own: a unit with Delegate=yes, or `systemd-run --scope -p Delegate=yes metactl …`',
  });
}
