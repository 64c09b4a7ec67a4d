import type { MadeCgroup } from '../addon.ts';
import { type CgroupKernel, linuxKernel } from './kernel.ts';
import { killInside, linuxProcesses, type Processes, readPids } from './kill.ts';
import { cgroupError } from './make.ts';
import { removeCgroup } from './remove.ts';
import { type CgroupStats, type Counters, countersOf, countOomKills, type Leaf, readCpu, readStats } from './stats.ts';
import { v1Directories } from './tree.ts';

/** A daemon's cgroup in all hierarchies, held open for processes to be put into it. */
export interface DaemonCgroup {
  /** Open for writing, close-on-exec: v1's `tasks` of each hierarchy. A new process writes `0` to each, itself. */
  readonly tasks: readonly number[];
  /** Open, close-on-exec: the directory in the v2 tree (pure or hybrid's), for CLONE_INTO_CGROUP. */
  readonly directory: number | undefined;
  /** One per hierarchy: `openLeaves` opens the same cgroup by them. */
  readonly leaves: readonly Leaf[];
  /** Absolute directories, one per hierarchy. */
  readonly paths: readonly string[];
  /** Its v1 directories by what their hierarchy is mounted with (`cpu,cpuacct`). */
  readonly v1: ReadonlyMap<string, string>;
  /** Limits that are not enforced (only with best effort). */
  readonly warnings: readonly string[];
  /** SIGKILL to everything inside; returns before it has ended. */
  kill(): void;
  /** Whether nothing is inside but that process, or not even that. False where there is no cgroup to tell. */
  holdsOnly(pid: number): boolean;
  /** Something inside was killed: nothing can be started in it any more, see `killInside`. */
  readonly spent: boolean;
  /** Zeros once it is removed. */
  stats(): CgroupStats;
  /** Its CPU time alone. */
  cpuUsec(): number;
  /** Host pids of the processes inside; empty once it is removed. */
  pids(): number[];
  /** Processes inside that the kernel killed for memory since it was made; still known after `remove`. */
  oomKills(): number;
  /** Those that were seen when it was asked last. */
  readonly knownOomKills: number;
  /** Lets go of the descriptors. The cgroup stays. */
  close(): void;
  /** Lets go of the descriptors and removes it with parents left empty; waits some seconds for what is still ending inside. */
  remove(): Promise<void>;
}

/** What tests replace. */
export interface Backends {
  readonly kernel: CgroupKernel;
  readonly processes: Processes;
}
export const LINUX: Backends = { kernel: linuxKernel, processes: linuxProcesses };

/** What goes with a daemon's directory if empty: the app's directory and the root's. */
export const PARENTS = 2;

/** The only DaemonCgroup there is: directories that exist, opened. */
export class OpenCgroup implements DaemonCgroup {
  readonly tasks: readonly number[];
  readonly directory: number | undefined;
  readonly paths: readonly string[];
  readonly v1: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
  /** Its directories with their hierarchies: by these it can be opened again. */
  readonly leaves: readonly Leaf[];
  readonly #backends: Backends;
  readonly #counters: Counters;
  #open: number[] = [];
  #killed = false;
  #spent = false;
  #lastOomKills = 0;

  /** @param made what is open already. */
  constructor(leaves: readonly Leaf[], warnings: readonly string[], backends: Backends, made?: MadeCgroup) {
    this.leaves = leaves;
    this.#counters = countersOf(leaves);
    this.#backends = backends;
    this.warnings = warnings;
    this.paths = leaves.map(({ path }) => path);
    this.v1 = v1Directories(leaves);
    if (made !== undefined) {
      this.tasks = made.tasks;
      this.directory = made.directory;
      this.#open = made.directory === undefined ? [...made.tasks] : [...made.tasks, made.directory];
      return;
    }
    const old = leaves.filter(({ hierarchy }) => hierarchy.version === 1);
    try {
      this.tasks = old.map(({ path }) => this.#openTasks(path));
      const unified = leaves.find(({ hierarchy }) => hierarchy.version === 2);
      this.directory = unified === undefined ? undefined : this.#keep(backends.kernel.openDirectory(unified.path));
    } catch (error) {
      this.close();
      throw cgroupError(error, 'open cgroup', leaves[0]?.path ?? '');
    }
  }

  #openTasks(path: string): number {
    return this.#keep(this.#backends.kernel.openForWriting(`${path}/tasks`));
  }

  #keep(fd: number): number {
    this.#open.push(fd);
    return fd;
  }

  kill(): void {
    this.#killed = true;
    if (killInside(this.#backends.kernel, this.paths, this.#backends.processes)) this.#spent = true;
  }

  holdsOnly(pid: number): boolean {
    // Whatever is in one of the hierarchies is in all.
    const [path] = this.paths;
    return path !== undefined && !this.#spent && readPids(this.#backends.kernel, path).every((one) => one === pid);
  }

  get spent(): boolean {
    return this.#spent;
  }

  stats(): CgroupStats {
    return readStats(this.#backends.kernel, this.#counters);
  }

  cpuUsec(): number {
    return readCpu(this.#backends.kernel, this.#counters);
  }

  pids(): number[] {
    const [first] = this.paths;
    return first === undefined ? [] : readPids(this.#backends.kernel, first);
  }

  get knownOomKills(): number {
    return this.#lastOomKills;
  }

  oomKills(): number {
    this.#lastOomKills = Math.max(this.#lastOomKills, countOomKills(this.#backends.kernel, this.leaves));
    return this.#lastOomKills;
  }

  close(): void {
    for (const fd of this.#open) this.#backends.kernel.close(fd);
    this.#open = [];
  }

  async remove(): Promise<void> {
    this.oomKills();
    this.close();
    await removeCgroup(this.#backends.kernel, this.paths, PARENTS, () => {
      if (this.#killed) this.kill();
    });
  }
}

/** The cgroup of a daemon that another process has made; an empty one where its directories are gone. */
export function openLeaves(leaves: readonly Leaf[], warnings: readonly string[]): DaemonCgroup {
  const found = leaves.every(({ path }) => LINUX.kernel.exists(path));
  return new OpenCgroup(found ? leaves : [], warnings, LINUX);
}
