import { createHash } from 'node:crypto';
import type { Paths } from '../../util/paths.ts';

/** Every host end begins with this, of whatever root: the nft rules of all nodes go by it. */
export const LINK_PREFIX = 'mt-';
/** Where iproute2 looks for named network namespaces. Kernel objects are the machine's, so no root moves it. */
export const NETNS_DIRECTORY = '/run/netns';
/** IFNAMSIZ is 16 with its terminating zero. */
const LONGEST = 15;

/**
 * The host end of an app's veth pair: `mt-web`, `mt-ab12_web` under a moved root. A name that doesn't fit keeps its start and
 * ends in `_` and hex digits of its hash. `_` is in no app name, so the forms can't be mistaken for one another. Pure.
 */
export function hostLinkName(paths: Paths, app: string): string {
  const start = paths.nodeId === '' ? LINK_PREFIX : `${LINK_PREFIX}${paths.nodeId}_`;
  if (start.length + app.length <= LONGEST) return start + app;
  const digits = paths.nodeId === '' ? 5 : 4;
  const hash = createHash('sha256').update(app).digest('hex').slice(0, digits);
  return `${start}${app.slice(0, LONGEST - start.length - 1 - digits)}_${hash}`;
}

/** What a removed app's link is called until the kernel has taken it away; `~` is in no other name. Pure. */
export function retiredLinkName(index: number): string {
  return `${LINK_PREFIX}~${index}`;
}

/** The link's alias tells whose it is, in full: `metactl:web`, `metactl:ab12:web` under a moved root. Pure. */
export function linkAlias(paths: Paths, app: string): string {
  return `${aliasStart(paths)}${app}`;
}

/** The app that an alias names, if it is an app of this root. Pure. */
export function appOfAlias(paths: Paths, alias: string): string | undefined {
  const start = aliasStart(paths);
  const app = alias.startsWith(start) ? alias.slice(start.length) : '';
  return /^[a-z][a-z0-9-]*$/.test(app) ? app : undefined;
}

function aliasStart(paths: Paths): string {
  return paths.nodeId === '' ? 'metactl:' : `metactl:${paths.nodeId}:`;
}

/** The node's nft table: `metactl`, `metactl-ab12` under a moved root. Pure. */
export function tableName(paths: Paths): string {
  return paths.nodeId === '' ? 'metactl' : `metactl-${paths.nodeId}`;
}
