import { join } from 'node:path';
import type { Paths } from '../../../util/paths.ts';
import type { CgroupFacts } from '../../host.ts';
import type { CgroupKernel } from './kernel.ts';
import { hierarchiesOf, treeName } from './tree.ts';

/** Deeper than systemd nests its slices, scopes and delegated units. */
const DEPTH = 10;

/**
 * This root's tree in every hierarchy. In the v2 tree it is below the cgroup of whatever supervisor made it, so all of that
 * is searched, for directories of root's: users may have parts of it delegated to them.
 */
export function findTrees(paths: Paths, facts: CgroupFacts, kernel: CgroupKernel): string[] {
  const name = treeName(paths);
  const v1 = hierarchiesOf({ ...facts, permitted: true }, true)
    .filter(({ version }) => version === 1)
    .map(({ base }) => join(base, name))
    .filter((tree) => kernel.exists(tree));
  return facts.unified === undefined ? v1 : [...v1, ...searchUnified(paths, facts.unified, kernel)];
}

/** This root's trees below a v2 mount point. */
export function searchUnified(paths: Paths, unified: string, kernel: CgroupKernel): string[] {
  return search(unified, treeName(paths), kernel, DEPTH);
}

function search(directory: string, name: string, kernel: CgroupKernel, depth: number): string[] {
  return kernel.directories(directory).flatMap((entry) => {
    const path = join(directory, entry);
    if (entry === name) return kernel.isRoots(path) ? [path] : [];
    return depth > 1 ? search(path, name, kernel, depth - 1) : [];
  });
}
