import type { MountStep } from '../../sandbox/plan.ts';
import type { HostMount } from '../host.ts';

/**
 * For kernels before 5.12, which can't set flags on a whole tree of mounts at once: a recursive bind becomes one bind for
 * its source and one for each mount below it. Pure.
 */
export function expandRecursiveBinds(steps: readonly MountStep[], mounts: readonly HostMount[]): MountStep[] {
  return steps.flatMap((step) => {
    if (step.op !== 'bind' || !step.recursive) return [step];
    const prefix = step.source === '/' ? '/' : `${step.source}/`;
    const below = mounts.filter(({ path }) => path.startsWith(prefix) && path !== step.source).map(({ path }) => path);
    const base = step.target === '/' ? '' : step.target;
    return [
      { ...step, recursive: false },
      // Of mounts that lie on one another the last one is seen; a bind of the path finds it.
      ...[...new Set(below)].map((path) => ({
        ...step,
        source: path,
        target: `${base}/${path.slice(prefix.length)}`,
        recursive: false,
      })),
    ];
  });
}
