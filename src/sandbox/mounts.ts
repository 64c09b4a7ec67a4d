import type { HostFacts } from '../host/host.ts';
import { MetactlError } from '../util/error.ts';
import { tmpfsInodes } from '../util/tmpfs.ts';
import { isBelow } from './host-directories.ts';
import type { RootBuilder } from './root-builder.ts';

/** One line of `[sandbox.mounts]`, read. */
export interface MountRequest {
  readonly target: string;
  readonly kind: 'ro' | 'rw' | 'hide' | 'tmpfs';
  /** Host path; the target itself unless `from:` names another. Unused for `hide` and `tmpfs`. */
  readonly source: string;
  /** Bytes, for `tmpfs`. */
  readonly size: number;
  /** `file:line` of the setting, for messages. */
  readonly origin: string;
  /** It says what administrators wrote, without any part of it from `.metactl`. */
  readonly trusted: boolean;
}

/** Places that the sandbox makes itself; a mount over them would undo it. */
const OWN = ['/', '/run', '/tmp', '/etc', '/var'];
/** Below these too everything is the sandbox's. */
const KERNEL_TREES = ['/proc', '/sys', '/dev'];

/**
 * Adds the configured mounts, outer paths first.
 * @returns the files to hide: they are to be masked at the end, since nothing empty can be laid over a file.
 * @param own the app's release and state directory. What lies in them was put there by developers and the app: a symlink
 *   there must not steer a mount out of them, whoever asked for the mount.
 * @throws MetactlError (78): METACTL_MOUNT_SOURCE (nothing there on the host), METACTL_MOUNT_POINT (no mount point
 *   inside, one of another kind, or one that belongs to the sandbox), METACTL_MOUNT_LINK (a symlink leads out of the app's own directories).
 */
export function addMounts(
  root: RootBuilder,
  facts: HostFacts,
  mounts: readonly MountRequest[],
  own: readonly string[] = [],
): string[] {
  const files: string[] = [];
  const ordered = [...mounts].sort((a, b) => a.target.length - b.target.length);
  for (const mount of ordered) {
    if (OWN.includes(mount.target) || KERNEL_TREES.some((tree) => isBelow(mount.target, tree))) {
      throw new MetactlError(`${mount.origin}: \`${mount.target}\` belongs to the sandbox and can't be mounted over`, {
        code: 'METACTL_MOUNT_POINT',
        path: mount.target,
        hint: 'mount below it, or at another path',
        exitStatus: 78,
      });
    }
    const file = addMount(root, facts, mount, own);
    if (file !== undefined) files.push(file);
  }
  return files;
}

/**
 * The real path of a mount's source or target; undefined where nothing is there. To be asked once for each: what it says is
 * opened later without following links, so one that is put there in between makes the start fail.
 */
function resolve(path: string, mount: MountRequest, facts: HostFacts, own: readonly string[]): string | undefined {
  const real = facts.realPath(path);
  if (real === undefined || !own.some((directory) => isBelow(path, directory))) return real;
  const homes = own.flatMap((directory) => facts.realPath(directory) ?? []);
  if (homes.some((directory) => isBelow(real, directory))) return real;
  throw new MetactlError(`${mount.origin}: \`${path}\` leads out of the app's own directories, to \`${real}\``, {
    code: 'METACTL_MOUNT_LINK',
    path,
    hint: 'there is a symbolic link in it: name the place itself in the node file',
    exitStatus: 78,
  });
}

/** @returns the file that is to be masked for it, if it hides one. */
function addMount(
  root: RootBuilder,
  facts: HostFacts,
  mount: MountRequest,
  own: readonly string[],
): string | undefined {
  const flags = { noSuid: true, noDev: true };
  const target = root.isCovered(mount.target)
    ? mount.target
    : (resolve(mount.target, mount, facts, own) ?? mount.target);
  if (mount.kind === 'hide' || mount.kind === 'tmpfs') {
    if (root.isFile(target)) {
      if (mount.kind === 'hide') return target;
      throw otherKind(mount, 'a file', 'a file can be hidden (hide), or another one shown in its place (from:)');
    }
    if (!root.ensure(target, 'directory', true)) {
      if (mount.kind === 'hide') return undefined;
      throw missingPoint(mount);
    }
    const hidden = mount.kind === 'hide';
    const room = { size: mount.size, inodes: tmpfsInodes(mount.size) };
    root.tmpfs(target, { ...room, mode: hidden ? 0o755 : 0o1777, seal: hidden, shared: true, ...flags });
    return undefined;
  }
  const source = resolve(mount.source, mount, facts, own);
  if (source === undefined) {
    throw new MetactlError(`${mount.origin}: \`${mount.source}\` isn't there on this server`, {
      code: 'METACTL_MOUNT_SOURCE',
      path: mount.source,
      hint: 'mount or create it first, or take the line out',
      exitStatus: 78,
    });
  }
  const shown = facts.state(source) === 'directory' ? 'directory' : 'file';
  if (shown === 'directory' && root.isFile(target)) throw otherKind(mount, 'a file', 'mount a file there');
  if (shown === 'file' && root.isDirectory(target)) throw otherKind(mount, 'a directory', 'mount a directory there');
  const bound = root.bind(source, target, { recursive: true, readOnly: mount.kind === 'ro', ...flags });
  if (!bound) throw missingPoint(mount);
  return undefined;
}

function otherKind(mount: MountRequest, kind: string, hint: string): MetactlError {
  const what = mount.kind === 'tmpfs' ? 'a tmpfs' : `\`${mount.source}\``;
  return new MetactlError(`${mount.origin}: \`${mount.target}\` is ${kind}, and ${what} can't be mounted on it`, {
    code: 'METACTL_MOUNT_POINT',
    path: mount.target,
    hint,
    exitStatus: 78,
  });
}

function missingPoint(mount: MountRequest): MetactlError {
  return new MetactlError(`${mount.origin}: there is no \`${mount.target}\` to mount on`, {
    code: 'METACTL_MOUNT_POINT',
    path: mount.target,
    hint: `the root inside is the host's, read-only: make the directory on the host first`,
    exitStatus: 78,
  });
}
