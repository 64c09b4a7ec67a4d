import { statSync } from 'node:fs';
import type { MountFlags, MountStep, RootPlan, SandboxPlan } from '../../../src/sandbox/plan.ts';
import type { ProbeMount } from '../../helpers/probe.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';

/** A daemon's plan as `metactl plan --json` prints it: Infinity has become null. */
export type PrintedPlan = Omit<SandboxPlan, 'process'> & {
  readonly process: Omit<SandboxPlan['process'], 'rlimits' | 'seccompProgram'> & {
    readonly rlimits: Readonly<Record<string, readonly [number | null, number | null]>>;
  };
};

/** The printed plan of the app's first daemon. */
export async function printedPlan(root: string, app: string): Promise<PrintedPlan> {
  const { stdout, stderr, status } = await runMetactl(['plan', app, '--json', '--reveal'], { root });
  if (status !== 0) throw new Error(`plan ended with ${status}: ${stderr}`);
  return JSON.parse(stdout).daemons[0];
}

/** A mount as far as a plan determines it. */
export interface ExpectedMount {
  readonly path: string;
  readonly readOnly: boolean;
  /** Flags that must be there; a bind also keeps those of its source. */
  readonly flags: readonly string[];
  /** Undefined for binds. */
  readonly fsType: string | undefined;
}

const KERNEL: Readonly<Record<string, { fsType: string } & MountFlags>> = {
  proc: { fsType: 'proc', noSuid: true, noDev: true, noExec: true },
  sysfs: { fsType: 'sysfs', readOnly: true, noSuid: true, noDev: true, noExec: true },
  devpts: { fsType: 'devpts', noSuid: true, noExec: true },
  mqueue: { fsType: 'mqueue', noSuid: true, noDev: true, noExec: true },
  cgroup: { fsType: 'cgroup', readOnly: true, noSuid: true, noDev: true, noExec: true },
  overlay: { fsType: 'overlay', readOnly: true, noSuid: true, noDev: true },
};

/** What mountinfo must show inside for a root plan, in order. Looks at the host's /proc and /sys for what can be masked. */
export function expectedMounts(root: RootPlan): ExpectedMount[] {
  const mounts: ExpectedMount[] = [];
  for (const step of root.steps) {
    if (step.op === 'remount') {
      const at = mounts.findLastIndex(({ path }) => path === step.target);
      mounts[at] = { ...mounts[at]!, readOnly: step.readOnly === true };
    } else mounts.push(...ofStep(step));
  }
  for (const path of root.masked) {
    const kind = statSync(path, { throwIfNoEntry: false });
    if (kind === undefined) continue;
    const flags = kind.isDirectory() ? ['nosuid', 'nodev', 'noexec'] : ['nosuid', 'noexec'];
    mounts.push({ path, readOnly: true, flags, fsType: 'tmpfs' });
  }
  for (const path of root.readOnly) {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) continue;
    mounts.push({ path, readOnly: true, flags: ['nosuid', 'nodev', 'noexec'], fsType: undefined });
  }
  return mounts;
}

function ofStep(step: MountStep): ExpectedMount[] {
  const kernel = KERNEL[step.op];
  if (kernel !== undefined) {
    const fsType = step.op === 'cgroup' && step.version === 2 ? 'cgroup2' : kernel.fsType;
    return [expected(step.target, kernel, fsType)];
  }
  if (step.op === 'tmpfs') return [expected(step.target, step, 'tmpfs')];
  return step.op === 'bind' ? [expected(step.target, step, undefined)] : [];
}

function expected(path: string, { readOnly, noSuid, noDev, noExec }: MountFlags, fsType: string | undefined) {
  const flags = [noSuid && 'nosuid', noDev && 'nodev', noExec && 'noexec'].filter((flag) => typeof flag === 'string');
  return { path, readOnly: readOnly === true, flags, fsType };
}

/** The mounts that the probe saw, in the terms of the plan's, beside which they stand: both sorted by path. */
export function seenMounts(seen: readonly ProbeMount[], planned: readonly ExpectedMount[]): ExpectedMount[] {
  const left = [...planned];
  return byPath(
    seen.map(({ path, options, fsType }) => {
      const words = options.split(',');
      const at = left.findIndex((mount) => mount.path === path);
      const [mount] = at < 0 ? [] : left.splice(at, 1);
      return {
        path,
        readOnly: words.includes('ro'),
        flags: mount === undefined ? words : mount.flags.filter((flag) => words.includes(flag)),
        fsType: mount?.fsType === undefined ? undefined : fsType,
      };
    }),
  );
}

export function byPath(mounts: readonly ExpectedMount[]): ExpectedMount[] {
  return [...mounts].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
