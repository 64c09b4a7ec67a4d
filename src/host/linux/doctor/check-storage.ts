import { dirname } from 'node:path';
import type { Finding } from '../../finding.ts';
import type { DiskFacts, MachineFacts } from './machine-facts.ts';
import { failed, ok, unknown, warning } from './make-finding.ts';

const MIB = 2 ** 20;
/** Below this nothing can be written any more; below the next, or a twentieth of the whole, somebody should look. */
const NO_SPACE = MIB;
const LITTLE_SPACE = 100 * MIB;
const LITTLE = 0.05;
const FEW_INODES = 100;

/** One mount, as far as it matters to the places where metactl works. */
export interface MountInfo {
  readonly path: string;
  readonly fsType: string;
  /** Of the mount and of the file system. */
  readonly options: readonly string[];
  readonly shared: boolean;
}

/** Parses proc_pid_mountinfo(5), with options and propagation. Pure. */
export function parseMounts(text: string): MountInfo[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , , path, options = '', ...optional] = before.split(' ');
    const [fsType, , own = ''] = after.split(' ');
    if (path === undefined || fsType === undefined) return [];
    const shared = optional.some((field) => field.startsWith('shared:'));
    return [{ path: unescapePath(path), fsType, options: [...options.split(','), ...own.split(',')], shared }];
  });
}

function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that a path is on: the last one of the longest name. Pure. */
export function mountOf(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  for (let at = path; ; at = dirname(at)) {
    const found = mounts.findLast((mount) => mount.path === at);
    if (found !== undefined || at === '/') return found;
  }
}

/** Whether files can be shown under other ids, by kind of file system. Pure. */
export function checkIdmaps(facts: MachineFacts): Finding[] {
  return Object.entries(facts.probes).flatMap(([probe, met]) => {
    if (!probe.startsWith('idmap ')) return [];
    const fsType = probe.slice('idmap '.length);
    const name = `idmapped mounts ${fsType}`;
    if (met === '') return [ok(name, `files on ${fsType} can be shown under other ids ([sandbox] user-namespace)`)];
    if (!facts.root && met === 'EPERM') return [unknown(name)];
    const meaning = `files on ${fsType} can't be shown under other ids (${met}), which [sandbox] user-namespace = yes needs`;
    return [warning(name, meaning, 'keep the files of such apps on ext4, XFS or btrfs, under Linux 5.15 or newer')];
  });
}

/** Space and inodes where metactl writes. Pure. */
export function checkDisks(facts: MachineFacts): Finding[] {
  return facts.disks.map((disk) => {
    const name = `disk ${disk.path}`;
    const mend = `see what fills it: du -xhd1 ${disk.existing} | sort -h`;
    const left = `${size(disk.free)} of ${size(disk.size)} free`;
    if (disk.free < NO_SPACE) return failed(name, `no space is left (${left}): records can't be written`, mend, 'any');
    if (disk.inodes > 0 && disk.inodesFree === 0) {
      return failed(
        name,
        'no inode is left: files can’t be made',
        `find many small files: du --inodes -xd1 ${disk.existing} | sort -n`,
        'any',
      );
    }
    if (disk.free < LITTLE_SPACE || disk.free < disk.size * LITTLE)
      return warning(name, `little space is left: ${left}`, mend);
    if (disk.inodes > 0 && (disk.inodesFree < FEW_INODES || disk.inodesFree < disk.inodes * LITTLE)) {
      return warning(
        name,
        `few inodes are left: ${disk.inodesFree} of ${disk.inodes}`,
        `du --inodes -xd1 ${disk.existing} | sort -n`,
      );
    }
    return ok(name, disk.inodes > 0 ? `${left}, ${disk.inodesFree} of ${disk.inodes} inodes` : left);
  });
}

function size(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 10 ? `${Math.round(gib)} GiB` : gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.floor(bytes / MIB)} MiB`;
}

/** Flags and propagation of the mounts that metactl works on. Pure. */
export function checkMounts(facts: MachineFacts): Finding[] {
  const mounts = parseMounts(facts.files['/proc/self/mountinfo'] ?? '');
  const root = mountOf(mounts, '/');
  const propagation = ok(
    'mount propagation',
    root?.shared === true
      ? '/ is shared: mounts made on the host show up in its other namespaces; sandboxes cut themselves off'
      : '/ is private: named network namespaces are shared by a mount of their own',
  );
  const lib = facts.disks.find((disk) => disk.path.endsWith('/lib/metactl'));
  return [propagation, ...(lib === undefined ? [] : volume(mounts, lib)), proc(mounts)];
}

/** Releases are executed from there. */
function volume(mounts: readonly MountInfo[], disk: DiskFacts): Finding[] {
  const mount = mountOf(mounts, disk.existing);
  if (mount === undefined) return [];
  const name = `mount ${disk.path}`;
  if (mount.options.includes('ro')) {
    return [
      failed(
        name,
        `${mount.path} is mounted read-only: leases can't be kept`,
        `mount -o remount,rw ${mount.path}`,
        'any',
      ),
    ];
  }
  if (mount.options.includes('noexec')) {
    const meaning = `${mount.path} is mounted noexec: programs of apps below it can't be executed, scripts by their interpreter can`;
    return [warning(name, meaning, `mount -o remount,exec ${mount.path}`)];
  }
  return [ok(name, `${mount.fsType} at ${mount.path}: programs can be executed from it`)];
}

function proc(mounts: readonly MountInfo[]): Finding {
  const mount = mounts.findLast(({ path, fsType }) => path === '/proc' && fsType === 'proc');
  if (mount === undefined) return failed('/proc', 'it is not mounted', 'mount -t proc proc /proc', 'any');
  const hidden = mount.options.find((option) => /^hidepid=(?!0$|off$)/.test(option));
  if (hidden === undefined)
    return ok('/proc', 'everybody sees all processes of the host; sandboxes have a /proc of their own');
  return ok('/proc', `${hidden}: users see only their own processes; metactl runs as root and sees all`);
}
