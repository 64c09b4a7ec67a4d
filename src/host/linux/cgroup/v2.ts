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
    if (!enable(kernel, path.base, hierarchy.controllers)) throw sharedError(path.base);
  }
  for (const directory of [path.tree, path.app]) {
    if (!enable(kernel, directory, hierarchy.controllers)) throw sharedError(directory);
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

function sharedError(directory: string): MetactlError {
  return new MetactlError(`cgroup ${directory} can't hand on its controllers: other processes are in it`, {
    code: 'METACTL_CGROUP_SHARED',
    step: 'make cgroup',
    path: directory,
    hint: 'start metactl in a cgroup of its own: a unit with Delegate=yes, or `systemd-run --scope -p Delegate=yes metactl …`',
  });
}
