import type { HostFacts, HostMount } from '../host/host.ts';

/** Where a separate local file system is part of the operating system and so of every sandbox (DESIGN §5 File system). */
const SYSTEM_DIRECTORIES = ['/usr', '/opt', '/etc', '/bin', '/sbin'];
/** `/lib`, `/lib64`, `/lib32`, `/libx32`. */
const LIBRARY_DIRECTORY = /^\/lib[^/]*(\/|$)/;

/** Covered in every sandbox: other apps' files, the administrator's and the host's secrets and sockets (DESIGN §5). */
export const HIDDEN = [
  '/etc/metactl',
  '/var/lib/metactl',
  '/var/log',
  '/home',
  '/root',
  '/var/spool',
  '/etc/ssh',
  '/etc/ssl/private',
] as const;

/** File-system types that live on a local volume without a block device of their own in mountinfo's source column. */
const LOCAL_TYPES = new Set(['zfs', 'bcachefs']);

/** True if `path` is `directory` or below it. Pure. */
export function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function isSystemMount(mount: HostMount): boolean {
  const local = (mount.source.startsWith('/dev/') && !mount.fsType.startsWith('fuse')) || LOCAL_TYPES.has(mount.fsType);
  const place = SYSTEM_DIRECTORIES.some((d) => isBelow(mount.path, d)) || LIBRARY_DIRECTORY.test(mount.path);
  return local && place;
}

/** Kernel file systems are made anew inside; their absence is no surprise and not worth a line in `plan`. */
const KERNEL_TREES = ['/proc', '/sys', '/dev', '/run'];

export interface SystemMounts {
  /** Mount points to bind beside `/`, parents first. */
  readonly kept: readonly string[];
  /** What else is mounted on the host and is not there inside. */
  readonly leftOut: readonly HostMount[];
}

/** Splits the host's mounts into those every sandbox sees and those it does not. Pure. */
export function systemMounts(facts: HostFacts): SystemMounts {
  // The last mount on a path is the visible one.
  const top = new Map(facts.mounts.map((mount) => [mount.path, mount]));
  top.delete('/');
  const kept: string[] = [];
  const leftOut: HostMount[] = [];
  for (const mount of top.values()) {
    if (isSystemMount(mount)) kept.push(mount.path);
    else if (!KERNEL_TREES.some((tree) => isBelow(mount.path, tree))) leftOut.push(mount);
  }
  kept.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  return { kept, leftOut };
}
