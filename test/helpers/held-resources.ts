import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What a supervisor and its daemons take of the machine. */
export interface HeldResources {
  readonly descriptors: number;
  /** Directories below all cgroup mounts. */
  readonly cgroups: number;
  /** Different namespaces of all processes. */
  readonly namespaces: number;
  /** kB that are not of files. */
  readonly memory: number;
}

/** @param pid of the supervisor. */
export function heldResources(pid: number): HeldResources {
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    cgroups: cgroupMounts().reduce((sum, mount) => sum + directoriesBelow(mount), 0),
    namespaces: namespaces().size,
    memory: anonymousMemory(pid),
  };
}

/** kB of a process's memory that are not of files. */
export function anonymousMemory(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function cgroupMounts(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.flatMap((line) => {
    const [, path, type] = line.split(' ');
    return type === 'cgroup' || type === 'cgroup2' ? [path!] : [];
  });
}

function directoriesBelow(path: string): number {
  try {
    const inside = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return inside.reduce((sum, { name }) => sum + 1 + directoriesBelow(join(path, name)), 0);
  } catch {
    return 0;
  }
}

function namespaces(): Set<string> {
  const found = new Set<string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const kind of ['mnt', 'pid', 'ipc', 'uts', 'cgroup', 'net']) {
      try {
        found.add(readlinkSync(`/proc/${pid}/ns/${kind}`));
      } catch {
        // It has ended.
      }
    }
  }
  return found;
}
