import { closeSync, constants, fstatSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { IdRange, SandboxPlan, UserNamespacePlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { BLOCK_SIZE } from '../../util/ids.ts';
import type { Paths } from '../../util/paths.ts';
import { addon } from './addon.ts';
import { encodeUserNamespace } from './encode.ts';
import { nativeFiles } from './native-files.ts';
import { forgetMade, madeOf, recordMade } from './record.ts';
import { spawnInit } from './spawn.ts';

/*
 * An app has one user namespace, shared by its daemons and by whoever enters them. It is complete before anything of the app
 * runs: a metactl-init makes it, this process writes its maps, takes hold of it and ends the metactl-init. Then it is pinned at
 * /run/metactl/<app>/ids, where other supervisors of the app, `exec` and `shell` find it. Only the daemon's own process
 * enters it; what the sandbox is made of belongs to the namespace outside, so root inside has no rights over any of it.
 */

/** Where an app's user namespace is pinned. */
export function pinPath(paths: Paths, app: string): string {
  return join(paths.runApp(app), 'ids');
}

/**
 * The app's user namespace, made unless it is there, under the app's lock. The caller closes the descriptor.
 * @throws MetactlError METACTL_IDS_CHANGED where daemons still run with another block; what can't be made.
 */
export async function openUserNamespace(paths: Paths, app: string, first: number): Promise<number> {
  const path = pinPath(paths, app);
  const there = openPinned(path);
  if (there !== undefined) {
    if (madeOf(paths, app, 'ids').some((made) => made.first === first)) return there;
    closeSync(there);
    throw changedError(app);
  }
  recordMade(paths, app, { kind: 'ids', path, first });
  const block = [{ from: 0, to: first, count: BLOCK_SIZE }];
  const made = await makeUserNamespace(block, block);
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_NOFOLLOW | constants.O_WRONLY, 0o600));
    addon().pinNamespace(made, path);
  } catch (error) {
    closeSync(made);
    throw error;
  }
  return made;
}

/** The running app's user namespace for whoever enters it. @throws MetactlError where it is not the one on record. */
export function enterableNamespace(paths: Paths, app: string, inode: number): number {
  const fd = openPinned(pinPath(paths, app));
  if (fd !== undefined && fstatSync(fd).ino === inode) return fd;
  if (fd !== undefined) closeSync(fd);
  throw new MetactlError(`the user namespace of ${app} is not at ${pinPath(paths, app)}`, {
    code: 'METACTL_NO_IDS',
    step: 'enter user namespace',
    path: pinPath(paths, app),
    hint: 'somebody unmounted it: restart the app to enter it again',
  });
}

/** Takes the pin away, however often a killed predecessor has made it. Under the app's lock. */
export function removeUserNamespace(paths: Paths, app: string): void {
  const path = pinPath(paths, app);
  addon().unmount(path);
  rmSync(path, { force: true });
  forgetMade(paths, app, ...madeOf(paths, app, 'ids'));
}

/** By their maps; kept for as long as this process lives, as the plans that need them are. */
const idmaps = new Map<string, Promise<number>>();

/** The descriptor of a user namespace for idmapped mounts of this plan; nobody is ever in it. */
export function idmapFor({ uids, gids }: UserNamespacePlan): Promise<number> {
  const key = JSON.stringify([uids, gids]);
  let made = idmaps.get(key);
  if (made === undefined) {
    made = makeUserNamespace(uids, gids);
    idmaps.set(key, made);
    // One that could not be made is tried again by the next start.
    made.catch(() => idmaps.delete(key));
  }
  return made;
}

/** Whether the plan's root has idmapped mounts. Pure. */
export function needsIdmap(plan: SandboxPlan): boolean {
  return plan.root.steps.some((step) => step.op === 'bind' && step.idmapped === true);
}

async function makeUserNamespace(uids: readonly IdRange[], gids: readonly IdRange[]): Promise<number> {
  const memfd = addon().sealedMemfd('metactl-ids', encodeUserNamespace(), false);
  try {
    const { nothing } = nativeFiles();
    const builder = spawnInit({
      native: { plan: memfd, tasks: [], isolated: false, newMounts: false, newNetwork: false, title: 'ids' },
      stdio: { stdin: nothing, stdout: nothing, stderr: nothing },
      owner: { uid: 0, gid: 0 },
      endByLiveness: true,
      leftOut: [],
      oomKilled: () => false,
    });
    try {
      await builder.started;
      writeMap(`/proc/${builder.pid}/gid_map`, gids);
      writeMap(`/proc/${builder.pid}/uid_map`, uids);
      return openSync(`/proc/${builder.pid}/ns/user`, 'r');
    } finally {
      builder.kill();
      await builder.ended;
    }
  } finally {
    closeSync(memfd);
  }
}

/** A map can be written once, by one write(2). @throws MetactlError with the errno. */
function writeMap(path: string, ranges: readonly IdRange[]): void {
  try {
    const fd = openSync(path, 'r+');
    try {
      writeSync(fd, mapText(ranges));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code = 'EIO', errno, syscall } = error as NodeJS.ErrnoException;
    throw new MetactlError(`can't write the maps of a user namespace: ${code}`, {
      code,
      step: 'write id maps',
      path,
      cause: error,
      ...(syscall === undefined ? {} : { syscall }),
      ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
      hint: 'in a container, ids beyond its own can not be used: set [node] subuid-range in metactl.conf',
      exitStatus: EXIT.sandbox,
    });
  }
}

/** As user_namespaces(7) has it: first id inside, first id outside, count. Pure. */
export function mapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ from, to, count }) => `${from} ${to} ${count}\n`).join('');
}

/** linux/magic.h */
const NSFS_MAGIC = 0x6e73_6673;

function openPinned(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (statfsSync(`/proc/self/fd/${fd}`).type === NSFS_MAGIC) return fd;
  // Left by a kill before the mount was made.
  closeSync(fd);
  return undefined;
}

function changedError(app: string): MetactlError {
  return new MetactlError(`${app} still runs with other ids than it has leased now`, {
    code: 'METACTL_IDS_CHANGED',
    step: 'make user namespace',
    hint: 'stop all of its daemons first',
  });
}

/** A descriptor with the maps of the plan's idmapped mounts; undefined where it has none. Made at most once. */
export async function idmapOf(plan: SandboxPlan): Promise<number | undefined> {
  return plan.userNamespace !== undefined && needsIdmap(plan) ? await idmapFor(plan.userNamespace) : undefined;
}
