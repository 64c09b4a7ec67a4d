import { EXIT, MetactlError } from '../../util/error.ts';
import { objectName } from '../../util/paths.ts';
import type { Host } from '../host.ts';
import { addon } from './addon.ts';
import { addresses } from './addresses.ts';
import { belongings } from './belongings.ts';
import { checkLimits, keptCgroupFacts } from './cgroup/index.ts';
import { readFacts } from './facts.ts';
import { handover } from './handover.ts';
import { closeInherited } from './inherited.ts';
import { lease } from './leases.ts';
import { logs } from './logs.ts';
import { lookUp } from './look-up.ts';
import { releaseMemory } from './memory.ts';
import { expectLaunch } from './native-files.ts';
import { needOf } from './network.ts';
import { hostLinkName } from './network-name.ts';
import { sysctlChanges } from './network-node.ts';
import { listProcesses } from './processes.ts';
import { readLease } from './read-leases.ts';
import { holderOfSupervisor, holdSupervisor, takeOverSupervisor, wasSupervised } from './supervisor-lock.ts';

/**
 * metactl on Linux: namespaces, netlink and cgroups. What starts and enters sandboxes is loaded when it is first used:
 * `metactl ip` needs none of it, and a supervisor has all of it before its first daemon starts.
 */
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
  expectStart: expectLaunch,
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
  logs,
  linkName: hostLinkName,
  lease,
  ...addresses,
  leasedIds: (paths, app) => {
    const { uid, ids } = readLease(paths, app);
    return { ...(uid === undefined ? {} : { uid }), ...(ids === undefined ? {} : { ids }) };
  },
  networkChanges: (paths, node, network) =>
    network.mode === 'routed' || network.mode === 'nat' ? sysctlChanges(needOf(paths, node, network)) : [],
  openApp: async (request) => {
    const { openApp } = await import('./app.ts');
    const name = objectName(request.paths, request.app);
    return openApp(request, await keptCgroupFacts(name, request.limits?.limits.ioWeight !== undefined));
  },
  takeOverApp: async (request, handed) => (await import('./linux-app.ts')).takeOverApp(request, handed),
  handover,
  findRunning: async (paths, app, daemon) => (await import('./running.ts')).findRunning(paths, app, daemon),
  listProcesses,
  collectGarbage: async (paths, options) => (await import('./gc.ts')).collectGarbage(paths, options),
  belongings,
  purge: async (paths, app) => (await import('./purge.ts')).purge(paths, app),
  examine: async (paths, node, apps) => (await import('./doctor/index.ts')).examine(paths, node, apps),
  filteredCalls: async (query, patience) => (await import('./seccomp-log.ts')).filteredCalls(query, patience),
  firewall: async (paths, app) => (await import('./app-firewall.ts')).readFirewall(paths, app),
  networkTroubles: async (paths, node, app) =>
    (await import('./network-troubles.ts')).networkTroubles(paths, node, app),
  watchFirewall(paths, app, look) {
    let stop: (() => void) | undefined = () => {};
    Promise.all([import('./rule-watch.ts'), import('./app-firewall-table.ts')]).then(
      ([watch, table]) => {
        if (stop !== undefined) stop = watch.onRulesRemoved(table.firewallTableName(paths), table.partsOf(app), look);
      },
      // Taken away by an upgrade: the rules are still looked at now and then.
      () => {},
    );
    return () => {
      stop?.();
      stop = undefined;
    };
  },
  async firewallRules(paths, app, link, plan) {
    const { firewallTableName, firewallText } = await import('./app-firewall-table.ts');
    return firewallText(firewallTableName(paths), app, link, plan);
  },
  lookUp,
  peerUid: (fd) => addon().peerCredentials(fd).uid,
  preload: async () => (await import('./preload.ts')).preload(),
  releaseMemory,
  refuseHugePages: () => addon().refuseHugePages(),
  holdSupervisor,
  wasSupervised,
  takeOverSupervisor: (paths, { fd }) => takeOverSupervisor(paths, fd),
  holderOfSupervisor,
  closeInherited,
  openTerminal: async (size) => (await import('./pty.ts')).openTerminal(size),
};
