import { closeSync, openSync } from 'node:fs';
import { everyStep } from '../../util/every-step.ts';
import { objectName } from '../../util/paths.ts';
import type { AppHandle, AppRequest, CgroupFacts } from '../host.ts';
import { cgroupSuffix, makeCgroup } from './app-cgroup.ts';
import { ensureFirewall, removeFirewall } from './app-firewall.ts';
import { type BegunCgroup, beginAppCgroup, type DaemonCgroup, removeDaemonCgroup } from './cgroup/index.ts';
import { makeStateDirectory } from './directories.ts';
import { heldNetns, holdNetwork, isHeldWithoutFirewall } from './held-network.ts';
import { LinuxApp } from './linux-app.ts';
import { type DaemonHold, holdDaemon, withAppLock } from './lock.ts';
import { makeAppNetwork } from './network.ts';
import { type OpenNotifySocket, openNotifySocket } from './notify-socket.ts';
import { endPredecessor } from './predecessor.ts';
import { releaseApp } from './release-app.ts';
import { beginNetns } from './spare-netns.ts';
import { untilStagesMade } from './stages.ts';
import { makeTemporary } from './temporary.ts';
import { openUserNamespace } from './user-namespace.ts';

/** Where a daemon in `mode = host` starts from: the supervisor's own. */
const OWN_NETWORK = '/proc/self/ns/net';

/**
 * Takes hold of a daemon and of its app's shared objects; see Host.openApp.
 * Under the app's lock, in this order: our own lock (two supervisors of one daemon can't meet), what a killed predecessor
 * left, what is shared.
 */
export async function openApp(request: AppRequest, cgroupFacts: CgroupFacts): Promise<AppHandle> {
  const { paths, node, app, daemon, network, firewall } = request;
  makeStateDirectory(paths, app, request.owner);
  const spare = beginNetns(network);
  const isRoot = process.geteuid?.() === 0;
  let hold: DaemonHold | undefined;
  let netns: number | undefined;
  let sysfs: number | undefined;
  let user: number | undefined;
  let begun: BegunCgroup | undefined;
  let cgroup: DaemonCgroup | undefined;
  let notify: OpenNotifySocket | undefined;
  let isOneOfMany = false;
  try {
    await withAppLock(paths, app, async (turn) => {
      isOneOfMany = turn !== 'alone';
      hold = holdDaemon(paths, app, daemon);
      await endPredecessor(paths, app, daemon);
      if (turn === 'later') await untilStagesMade(objectName(paths, app));
      // Below the directories of the first, others make theirs with their launches, and look for what an earlier one left only
      // where that fails.
      const makesNow = turn !== 'later';
      if (isRoot && makesNow) await removeDaemonCgroup(paths, app, daemon, cgroupFacts);
      const { limits } = request;
      if (limits !== undefined && isRoot && makesNow) begun = beginAppCgroup(paths, app, daemon, cgroupFacts);
      const rest = () => {
        if (request.temporarySize !== undefined) makeTemporary(paths, app, request.temporarySize, request.ids);
        if (limits !== undefined && makesNow) cgroup = makeCgroup(request, limits, cgroupFacts);
      };
      if (request.ids !== undefined) user = await openUserNamespace(paths, app, request.ids);
      // Before there is a link, so that not one packet gets by.
      if (firewall !== undefined && 'hostLink' in network) {
        await ensureFirewall(paths, app, network.hostLink, firewall);
      } else if (isRoot && !isHeldWithoutFirewall(request)) await removeFirewall(paths, app);
      // The kernel takes longest for the network: the rest is made meanwhile.
      if (network.mode === 'routed' || network.mode === 'nat') {
        netns = heldNetns(request);
        if (netns === undefined) {
          const beside = { meanwhile: rest, spare, withSysfs: true };
          ({ netns, sysfs } = await makeAppNetwork(paths, node, app, network, beside));
        } else rest();
      } else rest();
      if (request.notify !== undefined) {
        notify = openNotifySocket(request.notify, cgroupSuffix(request), request.notifyAccess);
      }
      if (network.mode === 'host' && isRoot) netns = openSync(OWN_NETWORK, 'r');
    });
  } catch (error) {
    if (netns !== undefined) closeSync(netns);
    if (sysfs !== undefined) closeSync(sysfs);
    notify?.close();
    if (user !== undefined) closeSync(user);
    const held = hold;
    // The first failure is the one to tell.
    await everyStep([
      () => begun?.done,
      () => cgroup?.remove(),
      () => begun?.undo(),
      () => (held === undefined ? undefined : releaseApp(request, held)),
    ]).catch(() => {});
    throw error;
  } finally {
    spare.discard();
  }
  return new LinuxApp(
    request,
    hold!,
    { netns, sysfs, user, begun: begun?.done, cgroup, notify, isOneOfMany },
    cgroupFacts,
    holdNetwork(request),
  );
}
