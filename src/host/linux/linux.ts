import { EXIT, MetactlError } from '../../util/error.ts';
import type { Host } from '../host.ts';
import { openApp } from './app.ts';
import { detectCgroups } from './cgroup/index.ts';
import { checkLimits } from './cgroup/limits.ts';
import { readFacts } from './facts.ts';
import { lease } from './leases.ts';
import { hostLinkName } from './network.ts';
import { findRunning } from './running.ts';

/** metactl on Linux: namespaces, netlink and cgroups. */
export const linux: Host = {
  name: 'linux',
  requireRoot() {
    if (process.geteuid?.() === 0) return;
    throw new MetactlError('a sandbox needs root', {
      code: 'METACTL_NEEDS_ROOT',
      hint: 'run it as root, or with --no-sandbox to run it without any isolation',
      exitStatus: EXIT.needsRoot,
    });
  },
  facts: readFacts,
  check(plan, facts) {
    if (facts.self.uid !== 0 && Object.keys(plan.limits).length > 0 && !plan.bestEffort) {
      throw new MetactlError(`the limits of ${plan.app}/${plan.daemon} need root`, {
        code: 'METACTL_NEEDS_ROOT',
        hint: 'run it as root, or set [sandbox] best-effort = yes to run it without them',
        exitStatus: EXIT.needsRoot,
      });
    }
    return checkLimits(plan.limits, facts.cgroup, plan.bestEffort);
  },
  linkName: hostLinkName,
  lease,
  openApp: (request) => openApp(request, detectCgroups()),
  findRunning,
};
