import { closeSync, constants, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';
import { bootId } from './boot-id.ts';

/**
 * What was made in the kernel for one app, or for the node. Each is written down before it is made, so that whoever comes
 * after a kill finds it all; an entry may therefore also stand for something that never came to be.
 */
export type MadeObject =
  | { readonly kind: 'mount'; readonly path: string }
  /** The pinned user namespace, and the first id of its block. */
  | { readonly kind: 'ids'; readonly path: string; readonly first: number }
  /** The app's namespace, veth pair, host routes and (with `uplink`) proxy-neighbour entries. */
  | {
      readonly kind: 'network';
      readonly netns: string;
      readonly link: string;
      readonly address: string;
      readonly address6?: string;
      /** Device with proxy-neighbour entries. */
      readonly uplink?: string;
      /** IPv4 is masqueraded: no such entry for it. */
      readonly nat?: true;
      /** Published ports as they are configured, separated by spaces. */
      readonly publish?: string;
    }
  | { readonly kind: 'nft'; readonly table: string }
  /** The app's rules in the node's table of firewalls. */
  | { readonly kind: 'firewall'; readonly table: string; readonly chain: string }
  /** The device whose forwarding the node's apps use; `configured`: named in metactl.conf. */
  | { readonly kind: 'uplink'; readonly name: string; readonly configured: boolean }
  /** `key` is the path below /proc/sys, `value` what metactl set in place of `old`. */
  | { readonly kind: 'sysctl'; readonly key: string; readonly old: string; readonly value: string };

export type MadeOf<Kind extends MadeObject['kind']> = Extract<MadeObject, { kind: Kind }>;

/** Whose record: an app's name, or undefined for what the node's apps share. */
type Owner = string | undefined;

interface RecordFile {
  readonly version: 1;
  /** Kernel objects do not outlive the boot; a moved root's record on a disk does. */
  readonly bootId: string;
  readonly objects: readonly MadeObject[];
}

function pathOf(paths: Paths, owner: Owner): string {
  return join(owner === undefined ? paths.run : paths.runApp(owner), 'made.json');
}

/** What is recorded, in order of making; nothing where there is no record of this boot. */
export function readMade(paths: Paths, owner: Owner): readonly MadeObject[] {
  const path = pathOf(paths, owner);
  // The usual case at a start, where an error with its stack would cost as much as a mount.
  if (!existsSync(path)) return [];
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as RecordFile;
    return file.version === 1 && file.bootId === bootId() && Array.isArray(file.objects) ? file.objects : [];
  } catch (error) {
    // Gone meanwhile. A torn one can't be: it is renamed into place.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return [];
    throw error;
  }
}

/** The recorded objects of one kind. */
export function madeOf<Kind extends MadeObject['kind']>(paths: Paths, owner: Owner, kind: Kind): MadeOf<Kind>[] {
  return ofKind(readMade(paths, owner), kind);
}

/** Pure. */
export function ofKind<Kind extends MadeObject['kind']>(objects: readonly MadeObject[], kind: Kind): MadeOf<Kind>[] {
  return objects.filter((object): object is MadeOf<Kind> => object.kind === kind);
}

/**
 * Records objects before they are made. Call it under the owner's lock. Nothing is written if they all are recorded.
 * @returns all that is recorded now.
 */
export function recordMade(paths: Paths, owner: Owner, ...objects: readonly MadeObject[]): readonly MadeObject[] {
  const known = readMade(paths, owner);
  const fresh = objects.filter((object) => !known.some((one) => isSame(one, object)));
  if (fresh.length === 0) return known;
  const all = [...known, ...fresh];
  write(paths, owner, all);
  return all;
}

/** Takes objects out of the record after they are gone; the file goes with the last. Under the owner's lock. */
export function forgetMade(paths: Paths, owner: Owner, ...objects: readonly MadeObject[]): void {
  const left = readMade(paths, owner).filter((one) => !objects.some((object) => isSame(one, object)));
  if (left.length > 0) write(paths, owner, left);
  else rmSync(pathOf(paths, owner), { force: true });
}

function isSame(a: MadeObject, b: MadeObject): boolean {
  const left = Object.entries(a);
  const right = b as unknown as Record<string, unknown>;
  return left.length === Object.keys(b).length && left.every(([key, value]) => right[key] === value);
}

/** By rename, so that a reader never sees half a file; no fsync, for nothing in it outlives the boot. */
function write(paths: Paths, owner: Owner, objects: readonly MadeObject[]): void {
  const path = pathOf(paths, owner);
  const temporary = `${path}.new`;
  const file: RecordFile = { version: 1, bootId: bootId(), objects };
  const fd = openSync(
    temporary,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    // All of it, or an error: a single write(2) may end in the midst without one where there is no room.
    writeFileSync(fd, `${JSON.stringify(file)}\n`);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
