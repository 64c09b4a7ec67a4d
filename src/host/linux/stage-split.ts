import type { MountStep, RootPlan } from '../../sandbox/plan.ts';

type Part = Pick<RootPlan, 'steps' | 'masked' | 'readOnly'>;

/** The steps and covers of a root in parts, to be carried out in this order. */
export interface SplitRoot {
  /** What all apps of the node may share; no steps where nothing of it can be. */
  readonly common: Part;
  /** What all launches of this app may share. */
  readonly shared: Part;
  /** What each launch needs for itself. */
  readonly own: Part;
}

/**
 * Splits a root for mount namespaces that are built once per node and once per app (launch.md, "What pays" 3). Order is
 * kept, so the shared part ends where the first step comes that can't be shared; later ones may build on it. Not shared
 * are, beside `shared: false`,
 * - recursive binds: what is mounted below their source on the host may change between launches;
 * - a tmpfs that stays writable: a launch must not find what an earlier one wrote.
 * Pure.
 */
export function splitRoot(root: RootPlan): SplitRoot {
  const sealed = new Set(
    root.steps.filter((step) => step.op === 'remount' && step.readOnly).map((step) => step.target),
  );
  const end = root.steps.findIndex((step) => !canBeShared(step, sealed));
  const count = end < 0 ? root.steps.length : end;
  const common = root.steps.slice(0, Math.min(root.common, count));
  const own = root.steps.slice(count);
  const isOwn = (path: string) => own.some((step) => isBelow(path, step.target));
  return {
    common: { steps: common, masked: [], readOnly: [] },
    shared: {
      steps: root.steps.slice(common.length, count),
      masked: root.masked.filter((path) => !isOwn(path)),
      readOnly: root.readOnly.filter((path) => !isOwn(path)),
    },
    own: { steps: own, masked: root.masked.filter(isOwn), readOnly: root.readOnly.filter(isOwn) },
  };
}

/** Two parts that follow each other, as one. Pure. */
export function joinParts(first: Part, second: Part): Part {
  return {
    steps: [...first.steps, ...second.steps],
    masked: [...first.masked, ...second.masked],
    readOnly: [...first.readOnly, ...second.readOnly],
  };
}

function canBeShared(step: MountStep, sealed: ReadonlySet<string>): boolean {
  if (!step.shared) return false;
  if (step.op === 'bind') return !step.recursive;
  return step.op !== 'tmpfs' || step.readOnly === true || sealed.has(step.target);
}

/** Host paths that the steps bind: the shared part is only good as long as the same things are there. Pure. */
export function hostSources(steps: readonly MountStep[]): string[] {
  return steps.flatMap((step) => (step.op === 'bind' && step.from !== 'inside' ? [step.source] : []));
}

/** Whose files are made by the kernel for each mount: they do not change hands. */
const KERNEL_TREES = ['/proc', '/sys', '/dev'];

/**
 * Host paths that the shared part of a root shows or hides. A cover lies on one directory of the host, not on its name:
 * when another directory takes the name, a stage does not hide it. Pure.
 */
export function watchedPaths({ steps, masked }: Pick<RootPlan, 'steps' | 'masked'>): string[] {
  const covers = steps.flatMap((step) => (step.op === 'tmpfs' ? [step.target] : []));
  const hidden = [...covers, ...masked].filter((path) => !KERNEL_TREES.some((tree) => isBelow(path, tree)));
  return [...new Set([...hostSources(steps), ...hidden])];
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
