import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** One living process as the leak check sees it. `key` survives pid reuse. */
export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly key: string;
  readonly name: string;
  /** `net:[4026531840]` and so on. */
  readonly namespaces: readonly string[];
  readonly marked: boolean;
}

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const;
/** Set by leakCheck() in the test runner; whatever it starts inherits it unless its environment is made anew. */
export const MARK = 'METACTL_LEAK_CHECK';

/** Every process of the machine but kernel threads and orphans already dead; those that end while being read are left out. */
export function readProcesses(mark: string | undefined): Map<number, SeenProcess> {
  const seen = new Map<number, SeenProcess>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const process = readProcess(pid, mark);
    if (process !== undefined) seen.set(pid, process);
  }
  return seen;
}

function readProcess(pid: number, mark: string | undefined): SeenProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const end = stat.lastIndexOf(')');
    const fields = stat.slice(end + 2).split(' ');
    const parent = Number(fields[1]);
    if (pid === 2 || parent === 2) return undefined;
    // Dead, and in the hands of the host's init, which may take seconds to reap it.
    if (fields[0] === 'Z' && parent === 1) return undefined;
    return {
      pid,
      parent,
      key: `${pid}@${fields[19]}`,
      name: `${stat.slice(stat.indexOf('(') + 1, end)} (pid ${pid}, parent ${parent}, state ${fields[0]})`,
      namespaces: NAMESPACES.flatMap((name) => link(`/proc/${pid}/ns/${name}`)),
      marked: mark !== undefined && environment(pid).includes(`\0${MARK}=${mark}\0`),
    };
  } catch {
    return undefined;
  }
}

/** A zombie has no namespaces and no environment left. */
function link(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    return [];
  }
}

function environment(pid: number): string {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}\0`;
  } catch {
    return '';
  }
}

/** Whether `pid` descends from the process `ancestor`. */
export function descendsFrom(processes: ReadonlyMap<number, SeenProcess>, pid: number, ancestor: number): boolean {
  for (let at = processes.get(pid)?.parent; at !== undefined && at > 1; at = processes.get(at)?.parent) {
    if (at === ancestor) return true;
  }
  return false;
}

/**
 * Whether a process may come from this test: its nearest ancestor that lived when the snapshot was taken is the test
 * runner, one of the runner's own ancestors (a subreaper) or nobody (an orphan). Commands of other sessions of this
 * machine hang below a shell that is none of these.
 */
export function mayBeOurs(
  processes: ReadonlyMap<number, SeenProcess>,
  before: ReadonlySet<string>,
  pid: number,
  runner: number,
): boolean {
  let at = processes.get(pid)?.parent;
  while (at !== undefined && at > 1) {
    const process = processes.get(at);
    if (process === undefined) return true;
    if (before.has(process.key)) return at === runner || descendsFrom(processes, runner, at);
    at = process.parent;
  }
  return true;
}
