import type { CgroupFacts } from '../../host.ts';
import { detectCgroups } from './detect.ts';
import { takeOwnCgroup } from './own.ts';

/** ms */
const KEEP = 10_000;
/** From the facts of a plan to the start that it is for, ms: nobody switches a controller on in between. */
const JUST_NOW = 250;

interface Seen {
  readonly facts: CgroupFacts;
  /** Milliseconds of a clock that only grows. Not `performance`: to load it takes Node a millisecond of a start. */
  readonly at: number;
}

let kept: Seen | undefined;
let planned: Seen | undefined;

/** The facts that a plan is made from (`detectCgroups`, as they will be at the start): a start right after it takes them too. */
export function plannedCgroupFacts(): CgroupFacts {
  const facts = detectCgroups({ soon: true });
  planned = { facts, at: clock() };
  return facts;
}

/**
 * The facts for the start of a daemon, this process being in a cgroup that it may divide (`takeOwnCgroup`). With hundreds of
 * apps the list of mounts that they are read from takes the kernel milliseconds, so a supervisor that starts several keeps
 * them for ten seconds. `fresh`: not kept ones, for what an administrator may just have switched on (`io-weight`).
 * @throws MetactlError as `takeOwnCgroup`.
 */
export async function keptCgroupFacts(name: string, fresh: boolean): Promise<CgroupFacts> {
  if (kept !== undefined && !fresh && clock() - kept.at < KEEP) return kept.facts;
  const seen = planned !== undefined && clock() - planned.at < JUST_NOW ? planned.facts : detectCgroups({ soon: true });
  const facts = await takeOwnCgroup(name, seen);
  kept = { facts, at: clock() };
  return facts;
}

function clock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
