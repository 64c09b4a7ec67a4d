import { dirname, join } from 'node:path';
import type { CgroupKernel } from './kernel.ts';
import { cgroupError, makeLeaf } from './make.ts';
import type { Hierarchy, LeafPath } from './tree.ts';

/** Makes a daemon's directory in a v1 hierarchy, ready for `tasks`. */
export function makeLeafV1(kernel: CgroupKernel, hierarchy: Hierarchy, path: LeafPath): void {
  const treeIsNew = makeLeaf(kernel, path);
  if (treeIsNew && hierarchy.controllers.includes('memory')) accountHierarchically(kernel, path);
  if (hierarchy.controllers.includes('cpuset')) initializeCpuset(kernel, path);
}

/**
 * Before Linux 5.11 a v1 memory cgroup counts its children only if told so before it has any, so the two below are made
 * again. Later kernels always do; they answer 1 and refuse 0.
 */
function accountHierarchically(kernel: CgroupKernel, path: LeafPath): void {
  const file = join(path.tree, 'memory.use_hierarchy');
  if (kernel.read(file)?.trim() !== '0') return;
  try {
    kernel.rmdir(path.leaf);
    kernel.rmdir(path.app);
    kernel.write(file, '1');
  } catch (error) {
    throw cgroupError(error, 'write', file);
  }
  makeLeaf(kernel, path);
}

/**
 * A new v1 cpuset is empty, and no process can be put into it. Below a directory with `cgroup.clone_children` the kernel
 * copies CPUs and memory nodes from the parent; the first daemon fills the two directories above its own and sets that,
 * last: another daemon that starts at the same time finds its own directory either full or empty.
 */
function initializeCpuset(kernel: CgroupKernel, path: LeafPath): void {
  if (isFilled(kernel, join(path.leaf, 'cpuset.cpus'))) return;
  for (const directory of [path.tree, path.app, path.leaf]) {
    const values = ['cpuset.cpus', 'cpuset.mems'].map((name) => {
      const parent = kernel.read(join(dirname(directory), name)) ?? '';
      return { file: join(directory, name), value: parent.trim() };
    });
    if (directory !== path.leaf) values.push({ file: join(directory, 'cgroup.clone_children'), value: '1' });
    for (const { file, value } of values) {
      if (!file.endsWith('clone_children') && isFilled(kernel, file)) continue;
      try {
        kernel.write(file, value);
      } catch (error) {
        throw cgroupError(error, 'write', file);
      }
    }
  }
}

function isFilled(kernel: CgroupKernel, file: string): boolean {
  return (kernel.read(file) ?? '').trim() !== '';
}
