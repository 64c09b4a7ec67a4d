import type { AppConfig } from '../config/types.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { BLOCK_SIZE, hostIds, type IdPair } from '../util/ids.ts';
import { settingPlace } from './identity.ts';
import type { Identity, IdRange, UserNamespacePlan } from './plan.ts';

/** What an app's own user, whose id on the host is leased, is inside: the first one of an ordinary login. */
const FIRST_APP_ID = 1000;

/** The app's users in its namespace. */
export interface NamespaceUsers {
  readonly plan: UserNamespacePlan;
  /** In the order of the app's daemons. */
  readonly identities: readonly Identity[];
}

/**
 * Puts the app's users into its namespace. One whose id is leased becomes 1000 (or the next that no other user of the app
 * has); others keep their number. Pure.
 * @param identities who the app's daemons are on the host, in their order.
 * @param first first id of the app's block.
 * @param idmapped whether directories can show other ids than they have on disk; if not, the app's files must be the block's.
 * @throws MetactlError (78) METACTL_ID_NOT_MAPPED for a user or group beyond 65535.
 */
export function planUserNamespace(
  config: AppConfig,
  identities: readonly Identity[],
  leased: number | undefined,
  first: number,
  idmapped: boolean,
): NamespaceUsers {
  const own = appId(identities, leased);
  const inside = identities.map((identity, at) => {
    const section = `daemon.${config.daemons[at]}`;
    const map = (id: number, key: string, name = config.text(section, key)): number => {
      if (id === leased) return own;
      return id < BLOCK_SIZE ? id : notMapped(config, section, key, id, name);
    };
    const names = config.words(section, 'supplementary-groups') ?? [];
    return {
      ...identity,
      uid: map(identity.uid, 'user'),
      gid: map(identity.gid, config.text(section, 'group') === undefined ? 'user' : 'group'),
      groups: identity.groups.map((group, at) => map(group, 'supplementary-groups', names[at])),
    };
  });
  const onDisk = idmapped ? identities : [];
  const uids = pairs(onDisk, inside, (one) => [one.uid]);
  const gids = pairs(onDisk, inside, (one) => [one.gid, ...one.groups]);
  const maps = { first, uids: diskMap(first, uids), gids: diskMap(first, gids) };
  return { plan: { ...maps, stateOwner: diskOwner(inside[0]!, maps) }, identities: inside };
}

function appId(identities: readonly Identity[], leased: number | undefined): number {
  const taken = new Set(identities.flatMap(({ uid, gid, groups }) => [uid, gid, ...groups]));
  if (leased !== undefined) taken.delete(leased);
  let id = FIRST_APP_ID;
  while (taken.has(id)) id++;
  return id;
}

/** Id inside to id on disk. Root is left out: nothing that is written inside may ever belong to the host's root. */
function pairs(
  onHost: readonly Identity[],
  inside: readonly Identity[],
  ids: (identity: Identity) => readonly number[],
): ReadonlyMap<number, number> {
  const map = new Map<number, number>();
  onHost.forEach((identity, at) => {
    const names = ids(inside[at]!);
    ids(identity).forEach((disk, index) => {
      if (disk !== 0 && names[index] !== 0) map.set(names[index]!, disk);
    });
  });
  return map;
}

/**
 * The map of idmapped mounts: the ids of `pairs` (inside to disk) one by one, all others as ids of the block on disk. Covers
 * the block exactly once and gives no id of the disk twice. Pure.
 */
export function diskMap(first: number, pairs: ReadonlyMap<number, number>): IdRange[] {
  const ranges: IdRange[] = [];
  let next = 0;
  const same = (end: number) => {
    if (end > next) ranges.push({ from: first + next, to: first + next, count: end - next });
  };
  for (const [inside, disk] of [...pairs].sort(([a], [b]) => a - b)) {
    same(inside);
    ranges.push({ from: disk, to: first + inside, count: 1 });
    next = inside + 1;
  }
  same(BLOCK_SIZE);
  return ranges;
}

type Maps = Omit<UserNamespacePlan, 'stateOwner'>;

/** Whose the files of a process are on disk, in the app's own directories. Pure. */
export function diskOwner(identity: IdPair, namespace: Maps | undefined): IdPair {
  if (namespace === undefined) return { uid: identity.uid, gid: identity.gid };
  const host = hostIds(identity, namespace.first);
  return { uid: backwards(namespace.uids, host.uid), gid: backwards(namespace.gids, host.gid) };
}

function backwards(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ to, count }) => id >= to && id < to + count);
  return range === undefined ? id : range.from + (id - range.to);
}

/** How a directory of the app must be mounted for its users. */
export type DirectoryOwner = 'mapped' | 'block' | 'foreign';

/**
 * `mapped`: it belongs to a user of the app by the host's ids, so it needs an idmapped mount; `block`: to an id of the
 * app's block, so it needs none (which is the way where a file system can't map ids); `foreign`: to somebody else. Pure.
 */
export function directoryOwner(uid: number, { first, uids }: Maps): DirectoryOwner {
  if (uid >= first && uid < first + BLOCK_SIZE) return 'block';
  return uids.some(({ from, count }) => uid >= from && uid < from + count) ? 'mapped' : 'foreign';
}

function notMapped(config: AppConfig, section: string, key: string, id: number, name = String(id)): never {
  const what = key === 'user' ? 'user' : 'group';
  throw new MetactlError(
    `${settingPlace(config, section, key)}[${section}] ${key}: \`${name}\` is ${what} ${id}, and a user namespace has only 0 to ${BLOCK_SIZE - 1}`,
    {
      code: 'METACTL_ID_NOT_MAPPED',
      path: String(id),
      hint: `take a ${what} with a smaller id, or set [sandbox] user-namespace = no`,
      exitStatus: EXIT.configuration,
    },
  );
}

/**
 * Refuses state that root of the app's user namespace owns, once the app has none any more: nobody of it could read it. Pure.
 * @param uid whose the state directory is; undefined: it isn't there. @param first of the app's block, if it ever had one.
 * @throws MetactlError (78) METACTL_STATE_OWNER
 */
export function refuseBlockOwner(
  path: string,
  uid: number | undefined,
  first: number | undefined,
  owner: IdPair & { readonly user: string },
): void {
  if (uid === undefined || first === undefined || uid < first || uid >= first + BLOCK_SIZE) return;
  throw new MetactlError(
    `the state directory ${path} belongs to ${uid - first} of the app's user namespace, which is switched off: ${owner.user} can't read it`,
    {
      code: 'METACTL_STATE_OWNER',
      path,
      hint: `give it to the app (chown -R ${owner.uid}:${owner.gid} ${path}), or set [sandbox] user-namespace = yes again`,
      exitStatus: EXIT.configuration,
    },
  );
}

/** @throws MetactlError (78) METACTL_STATE_OWNER: nobody of the app could write there. */
export function refuseStateOwner(path: string, uid: number, owner: IdPair): never {
  throw new MetactlError(
    `the state directory ${path} belongs to user ${uid}, which is none of the app's in its user namespace`,
    {
      code: 'METACTL_STATE_OWNER',
      path,
      hint: `give it to the app (chown -R ${owner.uid}:${owner.gid} ${path}), or set [sandbox] user-namespace = no`,
      exitStatus: EXIT.configuration,
    },
  );
}
