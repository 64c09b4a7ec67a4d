import { escapeText } from '../../util/escape.ts';
import { maskWords } from '../../util/mask.ts';
import type { Paths } from '../../util/paths.ts';
import type { CgroupFacts } from '../host.ts';
import type { ProcessInfo } from '../process-info.ts';
import { detectCgroups, findAppCgroups, listAppCgroups, pidsOf } from './cgroup/index.ts';
import { type CgroupKernel, linuxKernel } from './cgroup/kernel.ts';
import { treeName } from './cgroup/tree.ts';
import { readLive } from './live.ts';

/** Ticks of proc_pid_stat(5) per second: USER_HZ, 100 on every architecture that Node runs on. */
const TICKS = 100;
/** A command line can be megabytes; nobody reads more than this. */
const LONGEST_COMMAND = 4096;

/** Texts of /proc/PID, read one after the other while the process may end or change. */
export interface ProcessTexts {
  readonly stat: string;
  readonly status: string;
  readonly cmdline: string;
  /** uid_map; absent where it is in the same user namespace as metactl. */
  readonly uidMap?: string;
}

/** What turns ticks into times: seconds since the epoch of the boot, and seconds since then. */
export interface Clock {
  readonly bootTime: number;
  readonly uptime: number;
}

/** Everything about a process but whose it is. Pure. @returns undefined where a text is torn. */
export function parseProcess(
  texts: ProcessTexts,
  clock: Clock,
  userOf: (uid: number) => string | undefined,
): Omit<ProcessInfo, 'app' | 'daemon'> | undefined {
  const { pid, name, fields } = splitStat(texts.stat);
  const status = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(texts.status)?.[1]?.split(/\s+/);
  const uid = Number(status('Uid')?.[1]);
  if (!Number.isInteger(pid) || fields.length < 20 || !Number.isInteger(uid)) return undefined;
  const pids = status('NSpid')?.map(Number) ?? [];
  const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS;
  const started = startTicks(fields) / TICKS;
  return {
    pid,
    insidePid: pids.length > 1 ? pids.at(-1) : undefined,
    uid,
    insideUid: texts.uidMap === undefined ? undefined : insideId(uid, texts.uidMap),
    user: userOf(uid) ?? String(uid),
    state: fields[0] ?? '?',
    rss: Number(status('VmRSS')?.[0] ?? 0) * 1024,
    cpuTime: Math.round(cpuSeconds * 1e6),
    cpu: clock.uptime > started ? cpuSeconds / (clock.uptime - started) : 0,
    startedAt: Math.round((clock.bootTime + started) * 1000),
    ...commandOf(texts.cmdline, name),
  };
}

/** The id that the map shows for one of the host. */
function insideId(id: number, map: string): number | undefined {
  for (const line of map.split('\n')) {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    if (id >= outside && id < outside + count) return inside + id - outside;
  }
  return undefined;
}

/** The name stands in parentheses and may hold spaces and parentheses itself. */
function splitStat(stat: string): { pid: number; name: string; fields: string[] } {
  const end = stat.lastIndexOf(')');
  const fields = stat
    .slice(end + 2)
    .trim()
    .split(' ');
  return { pid: Number.parseInt(stat, 10), name: stat.slice(stat.indexOf('(') + 1, Math.max(end, 0)), fields };
}

function startTicks(fields: readonly string[]): number {
  return Number(fields[19]);
}

/** The app chooses both its arguments and its name: neither reaches a terminal as it is. */
function commandOf(cmdline: string, name: string): Pick<ProcessInfo, 'command' | 'revealedCommand'> {
  const text = cmdline.slice(0, LONGEST_COMMAND).replace(/\0+$/, '');
  if (text === '') return { command: `[${escapeText(name)}]`, revealedCommand: `[${escapeText(name)}]` };
  const words = text.split('\0');
  return { command: escapeText(maskWords(words).join(' ')), revealedCommand: escapeText(words.join(' ')) };
}

/**
 * Lists what runs in the cgroups of this root's daemons, of one app, or of one daemon. A process that ends meanwhile is
 * left out, and so is a stranger that got its pid: it must be in the cgroup, and the same, before and after it is read.
 */
export function listProcesses(
  paths: Paths,
  app?: string,
  daemon?: string,
  facts: CgroupFacts = detectCgroups(),
  kernel: CgroupKernel = linuxKernel,
): ProcessInfo[] {
  const clock = readClock(kernel);
  const userOf = userNames(kernel);
  const processes: ProcessInfo[] = [];
  const apps =
    app === undefined
      ? listAppCgroups(paths, facts, kernel)
      : [findAppCgroups(paths, app, facts, kernel)].flatMap((one) => one ?? []);
  for (const found of apps) {
    for (const name of found.daemons) {
      if (daemon !== undefined && name !== daemon) continue;
      const cgroup = `/${treeName(paths)}/${found.app}/${name}`;
      const network = readLive(paths, found.app, name)?.network;
      const shared = { app: found.app, daemon: name, ...(network === undefined ? {} : { network }) };
      for (const pid of pidsOf(found, name, kernel)) {
        const texts = readTexts(kernel, pid, cgroup);
        const process = texts === undefined ? undefined : parseProcess(texts, clock, userOf);
        if (process !== undefined) processes.push({ ...shared, ...process });
      }
    }
  }
  return processes;
}

function readTexts(kernel: CgroupKernel, pid: number, cgroup: string): ProcessTexts | undefined {
  const read = (name: string) => readProc(kernel, `/proc/${pid}/${name}`);
  const before = splitStat(read('stat')).fields;
  const inside = read('cgroup')
    .split('\n')
    .some((line) => line.endsWith(cgroup) || line.includes(`${cgroup}/`));
  if (!inside) return undefined;
  const map = read('uid_map');
  const own = map === '' || map === readProc(kernel, '/proc/self/uid_map');
  const texts = {
    status: read('status'),
    cmdline: read('cmdline'),
    ...(own ? {} : { uidMap: map }),
    stat: read('stat'),
  };
  return startTicks(before) === startTicks(splitStat(texts.stat).fields) ? texts : undefined;
}

/** ESRCH is how /proc answers for a process that ended after its file was opened. */
function readProc(kernel: CgroupKernel, path: string): string {
  try {
    return kernel.read(path) ?? '';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return '';
    throw error;
  }
}

function readClock(kernel: CgroupKernel): Clock {
  const bootTime = Number(/^btime (\d+)$/m.exec(kernel.read('/proc/stat') ?? '')?.[1] ?? 0);
  return { bootTime, uptime: Number.parseFloat(kernel.read('/proc/uptime') ?? '0') };
}

/** Only /etc/passwd: asking NSS for every process would cost more than the list. */
function userNames(kernel: CgroupKernel): (uid: number) => string | undefined {
  const names = new Map<number, string>();
  for (const line of (kernel.read('/etc/passwd') ?? '').split('\n')) {
    const [name, , uid] = line.split(':');
    if (name !== undefined && uid !== undefined && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return (uid) => names.get(uid);
}
