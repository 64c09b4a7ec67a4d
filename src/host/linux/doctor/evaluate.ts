import type { Finding } from '../../finding.ts';
import { checkCgroups } from './check-cgroups.ts';
import { checkKernel, checkNamespaces, checkSeccomp } from './check-kernel.ts';
import { checkFirewalls, checkNetlink, checkResolver, checkUplink } from './check-network.ts';
import { checkPublished } from './check-published.ts';
import { checkDisks, checkIdmaps, checkMounts } from './check-storage.ts';
import { checkSystem } from './check-system.ts';
import type { MachineFacts } from './machine-facts.ts';

/** Everything that is to say about a machine, in the order in which it is printed. Pure. */
export function evaluate(facts: MachineFacts): Finding[] {
  return [
    ...checkKernel(facts),
    ...checkNamespaces(facts),
    ...checkSeccomp(facts),
    ...checkCgroups(facts),
    ...checkNetlink(facts),
    ...checkUplink(facts),
    ...checkPublished(facts),
    ...checkFirewalls(facts),
    checkResolver(facts),
    ...checkDisks(facts),
    ...checkMounts(facts),
    ...checkIdmaps(facts),
    ...checkSystem(facts),
  ];
}
