import type { CgroupFacts } from '../../host.ts';
import { detectCgroups } from './detect.ts';
import { takeOwnCgroup } from './own.ts';

/** ms */
const KEEP = 10_000;

let kept: { readonly facts: CgroupFacts; readonly at: number } | undefined;

/**
 * The facts for the start of a daemon, this process being in a cgroup that it may divide (`takeOwnCgroup`). With hundreds of
 * apps the list of mounts that they are read from takes the kernel milliseconds, so a supervisor that starts several keeps
 * them for ten seconds. `fresh`: not kept ones, for what an administrator may just have switched on (`io-weight`).
 * @throws MetactlError as `takeOwnCgroup`.
 */
export async function keptCgroupFacts(name: string, fresh: boolean): Promise<CgroupFacts> {
  if (kept !== undefined && !fresh && performance.now() - kept.at < KEEP) return kept.facts;
  const facts = await takeOwnCgroup(name, detectCgroups({ soon: true }));
  kept = { facts, at: performance.now() };
  return facts;
}
