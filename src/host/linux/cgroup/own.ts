import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, MetactlError } from '../../../util/error.ts';
import type { CgroupFacts } from '../../host.ts';
import { type SystemdManager, systemdManager } from '../systemd/manager.ts';
import { PRIVATE_SOCKET } from '../systemd/private-socket.ts';
import { detectCgroups, SUPERVISOR_LEAF } from './detect.ts';
import { type CgroupKernel, linuxKernel } from './kernel.ts';
import { hierarchiesOf } from './tree.ts';

/** What tests replace. */
export interface OwnSources {
  readonly kernel: Pick<CgroupKernel, 'exists'>;
  readonly manager: SystemdManager;
  /** /proc/self/cgroup */
  readonly procCgroup: () => string;
  readonly detect: () => CgroupFacts;
  /** How long systemd may take to move this process, ms. */
  readonly patience: number;
}

const THIS_MACHINE: OwnSources = {
  kernel: linuxKernel,
  manager: systemdManager(),
  procCgroup: () => readFileSync('/proc/self/cgroup', 'utf8'),
  detect: detectCgroups,
  // It moves a process within milliseconds of its answer, unless it is very busy.
  patience: 25_000,
};

const PAUSE = 5;

/**
 * Sees to it that this process is in a v2 cgroup that it may divide: one that systemd has delegated to it. That of a unit
 * with Delegate=yes is; from a shell or a cron job systemd is asked for a transient scope, `<name>-<pid>.scope`, which ends
 * with this process. Nothing is done where v2 carries no controller, or without systemd.
 * @param facts as they will be then.
 * @returns them as they are afterwards.
 * @throws MetactlError METACTL_NOT_DELEGATED (78) in a service of its own without Delegate=yes, METACTL_SYSTEMD.
 */
export async function takeOwnCgroup(
  name: string,
  facts: CgroupFacts,
  { kernel, manager, procCgroup, detect, patience }: OwnSources = THIS_MACHINE,
): Promise<CgroupFacts> {
  const divides = hierarchiesOf(facts, true).some(
    ({ version, controllers }) => version === 2 && controllers.length > 0,
  );
  const before = procCgroup();
  if (!divides || !kernel.exists(PRIVATE_SOCKET)) return facts;
  if (before.trimEnd().endsWith(`/${SUPERVISOR_LEAF}`)) return detect();
  const unit = await manager.unitOf(process.pid);
  if (unit?.delegates === true && unit.controlGroup === facts.own) return detect();
  // Taking the main process out of its service would take it out of the limits that were set there.
  if (unit?.mainPid === process.pid) throw notDelegatedError(unit.id);
  await manager.startScope(`${name}-${process.pid}.scope`, `metactl ${name}`, process.pid);
  for (const end = performance.now() + patience; procCgroup() === before; await sleep(PAUSE)) {
    if (performance.now() > end) throw notMovedError(patience);
  }
  return detect();
}

function notDelegatedError(unit: string): MetactlError {
  return new MetactlError(`${unit} does not delegate its cgroup`, {
    code: 'METACTL_NOT_DELEGATED',
    step: 'make cgroup',
    hint: `add Delegate=yes to the [Service] section of ${unit}`,
    exitStatus: EXIT.configuration,
  });
}

function notMovedError(patience: number): MetactlError {
  return new MetactlError(`systemd did not move metactl to its scope within ${patience / 1000} s`, {
    code: 'METACTL_SYSTEMD',
    step: 'make cgroup',
    hint: 'start metactl in a unit with Delegate=yes',
  });
}
