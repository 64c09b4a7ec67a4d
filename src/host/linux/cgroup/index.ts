/** cgroups of both versions behind one face (DESIGN §5): detection, a daemon's cgroup, an app's left-overs. */
export { type AppCgroups, findAppCgroups, listAppCgroups, pidsOf, removeAppCgroups } from './app.ts';
export { isUnusual, type PlannedCgroup, planCgroup } from './at-once.ts';
export { type BegunCgroup, beginAppCgroup } from './begin.ts';
export { makeDaemonCgroup, openDaemonCgroup, removeDaemonCgroup } from './daemon.ts';
export { cgroupFacts, detectCgroups, parseCgroupMounts } from './detect.ts';
export { keptCgroupFacts, plannedCgroupFacts } from './kept-facts.ts';
export { checkLimits, planLimits } from './limits.ts';
export { type DaemonCgroup, openLeaves } from './open-cgroup.ts';
export { type ProbePlace, ProbePlaces } from './probe.ts';
export type { CgroupStats, Leaf } from './stats.ts';
