import { dirname, join } from 'node:path';
import type { CgroupKernel } from './kernel.ts';
import { cgroupError, makeLeaf } from './make.ts';
import type { Hierarchy, LeafPath } from './tree.ts';

/** Makes a daemon's directory in a v1 hierarchy, ready for `tasks`. */
export function makeLeafV1(kernel: CgroupKernel, hierarchy: Hierarchy, path: LeafPath): void {
  const memory = hierarchy.controllers.includes('memory');
  const cpuset = hierarchy.controllers.includes('cpuset');
  if ((memory || cpuset) && !kernel.exists(path.tree)) {
    try {
      kernel.mkdir(path.tree);
    } catch (error) {
      throw cgroupError(error, 'make cgroup', path.tree);
    }
    if (memory) accountHierarchically(kernel, path.tree);
    if (cpuset) fillCpuset(kernel, path.tree, true);
  }
  makeLeaf(kernel, path);
  if (cpuset && !isFilled(kernel, path.leaf)) {
    for (const directory of [path.tree, path.app, path.leaf]) fillCpuset(kernel, directory, directory !== path.leaf);
  }
}

/**
 * Before Linux 5.11 a v1 memory cgroup counts its children only if told so before it has any. Later kernels always do; they
 * answer 1 and refuse 0.
 */
function accountHierarchically(kernel: CgroupKernel, tree: string): void {
  const file = join(tree, 'memory.use_hierarchy');
  if (kernel.read(file)?.trim() !== '0') return;
  try {
    kernel.write(file, '1');
  } catch (error) {
    throw cgroupError(error, 'write', file);
  }
}

/**
 * A new v1 cpuset is empty, and no process can be put into it; below a directory with `cgroup.clone_children` the kernel
 * copies CPUs and memory nodes from the parent. So only the directory of all apps is filled, before anything is made in
 * it. Should another daemon, starting at the same moment, have made its own in between, it finds that empty and fills what
 * is above it too: that does no harm twice.
 */
function fillCpuset(kernel: CgroupKernel, directory: string, cloneChildren: boolean): void {
  const parent = dirname(directory);
  const values = ['cpuset.cpus', 'cpuset.mems'].map((name) => [name, (kernel.read(join(parent, name)) ?? '').trim()]);
  if (cloneChildren) values.push(['cgroup.clone_children', '1']);
  for (const [name, value] of values) {
    const file = join(directory, name!);
    try {
      kernel.write(file, value!);
    } catch (error) {
      throw cgroupError(error, 'write', file);
    }
  }
}

/** CPUs and memory nodes are copied together. */
function isFilled(kernel: CgroupKernel, directory: string): boolean {
  return (kernel.read(`${directory}/cpuset.cpus`) ?? '').trim() !== '';
}
