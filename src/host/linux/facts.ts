import { execFileSync } from 'node:child_process';
import { lstatSync, opendirSync, readFileSync, realpathSync } from 'node:fs';
import type { HostFacts, HostMount, PathState } from '../host.ts';
import { addon } from './addon.ts';
import { plannedCgroupFacts } from './cgroup/index.ts';
import { decidedByRoot } from './decided-by-root.ts';
import { mayEnter } from './may-enter.ts';

/** Undoes the octal escapes of mountinfo (`\040` is a space). */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Parses /proc/self/mountinfo (proc_pid_mountinfo(5)). Pure. */
export function parseMountinfo(text: string): HostMount[] {
  const mounts: HostMount[] = [];
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ');
    const [, , , root, path] = (before ?? '').split(' ');
    const [fsType, source] = (after ?? '').split(' ');
    if (root === undefined || path === undefined || fsType === undefined) continue;
    mounts.push({ path: unescapeMount(path), fsType, source: unescapeMount(source ?? ''), root: unescapeMount(root) });
  }
  return mounts;
}

/** Keys of /proc/self/limits by the names of setrlimit(2). */
const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'Max cpu time': 'cpu',
  'Max file size': 'fsize',
  'Max data size': 'data',
  'Max stack size': 'stack',
  'Max core file size': 'core',
  'Max resident set': 'rss',
  'Max processes': 'nproc',
  'Max open files': 'nofile',
  'Max locked memory': 'memlock',
  'Max address space': 'as',
  'Max file locks': 'locks',
  'Max pending signals': 'sigpending',
  'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice',
  'Max realtime priority': 'rtprio',
  'Max realtime timeout': 'rttime',
};

/** Parses /proc/PID/limits into [soft, hard] by name. Pure. */
export function parseLimits(text: string): Record<string, readonly [number, number]> {
  const limits: Record<string, readonly [number, number]> = {};
  const number = (word: string) => (word === 'unlimited' ? Number.POSITIVE_INFINITY : Number(word));
  for (const line of text.split('\n')) {
    const match = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    const name = match === null ? undefined : LIMIT_NAMES[match[1]!];
    if (name !== undefined) limits[name] = [number(match![2]!), number(match![3]!)];
  }
  return limits;
}

function state(path: string): PathState {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
}

/** Of the path itself, not of what a link leads to. */
function owner(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.uid;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

/** Reads no further than it has to: the directory may be somebody's with a million files. */
function entries(path: string, most: number): readonly string[] | undefined {
  const names: string[] = [];
  try {
    const directory = opendirSync(path);
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        if (names.length === most) return undefined;
        names.push(entry.name);
      }
    } finally {
      directory.closeSync();
    }
  } catch {
    return undefined;
  }
  return names;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** One NSS entry, split at colons; getent because LDAP and sssd users are users too. */
function nss(database: 'passwd' | 'group', name: string): string[] | undefined {
  const local = read(`/etc/${database}`)
    .split('\n')
    .find((line) => line.startsWith(`${name}:`));
  if (local !== undefined) return local.split(':');
  try {
    const output = execFileSync('/usr/bin/getent', [database, '--', name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 10_000,
    });
    return output.trim().split(':');
  } catch {
    return undefined;
  }
}

function self(): HostFacts['self'] {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const entry = read('/etc/passwd')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[2] === String(uid));
  return { name: entry?.[0] ?? String(uid), uid, gid, groups: process.getgroups?.() ?? [] };
}

/** Reads what plans need to know about this machine; look-ups happen when they are asked for. */
export function readFacts(): HostFacts {
  return {
    arch: process.arch,
    mounts: parseMountinfo(read('/proc/self/mountinfo')),
    state,
    realPath,
    decidedByRoot,
    mayEnter,
    entries,
    owner,
    idmappedMounts: () => addon().hasMountApi(),
    read,
    cgroup: plannedCgroupFacts(),
    rlimits: parseLimits(read('/proc/self/limits')),
    self: self(),
    user(name) {
      const entry = nss('passwd', name);
      return entry === undefined ? undefined : { name: entry[0]!, uid: Number(entry[2]), gid: Number(entry[3]) };
    },
    group(name) {
      const entry = nss('group', name);
      return entry === undefined ? undefined : { gid: Number(entry[2]) };
    },
  };
}
