import { join } from 'node:path';
import { type CgroupKernel, errnoOf } from './kernel.ts';
import { killInside, readPids } from './kill.ts';
import { cgroupError } from './make.ts';
import { type Backends, LINUX } from './open-cgroup.ts';
import { type Leaf, leafWith } from './stats.ts';

/** A part of a daemon's cgroup for one program, whose end is that of all it has started. */
export interface ProbePlace {
  /** The daemon's directories, that of one hierarchy replaced by the part. */
  readonly leaves: readonly Leaf[];
  /** The program has ended: SIGKILL to what it has left. Never throws: what can't be ended now is tried again. */
  release(): void;
}

/** What a daemon makes itself has another name, or belongs to somebody who is root anyway. */
const NAME = /^metactl-probe-\d{1,15}$/;
const PREFIX = 'metactl-probe-';

/** Of the last part that this process has made: one that ends late never meets another of its name. */
let last = 0;

/**
 * The parts of one daemon's cgroup. A part is used again and again; one in which something had to be killed is spent (`killInside`)
 * and removed as soon as it is empty. Those that a supervisor before this one has left are cleared first.
 */
export class ProbePlaces {
  readonly #backends: Backends;
  #parent: string | undefined;
  #idle: string | undefined;
  #spent: string[] = [];
  #isClosed = false;

  constructor(backends: Backends = LINUX) {
    this.#backends = backends;
  }

  /**
   * @param leaves of the daemon. One hierarchy is enough to tell whose a process is, and every limit holds as before, since a part has
   *   none of its own.
   * @returns undefined where the daemon has no cgroup. @throws MetactlError with errno and path where no part can be made.
   */
  take(leaves: readonly Leaf[]): ProbePlace | undefined {
    const whole = this.#chooseFrom(leaves);
    if (whole === undefined) return undefined;
    if (this.#parent !== whole.path) this.#begin(whole.path);
    this.#removeSpent();
    // Also where it should be there: in a part that somebody has removed the program would run outside of all limits.
    const path = this.#make(this.#idle ?? join(whole.path, `${PREFIX}${++last}`));
    this.#idle = undefined;
    return {
      leaves: leaves.map((leaf) => (leaf === whole ? { hierarchy: leaf.hierarchy, path } : leaf)),
      release: () => this.#release(path),
    };
  }

  /** No more programs. What can't be removed yet goes with the daemon's cgroup. */
  close(): void {
    this.#isClosed = true;
    if (this.#idle !== undefined) this.#spent.push(this.#idle);
    this.#idle = undefined;
    this.#removeSpent();
  }

  /** `cgroup.kill` takes all at once. Before Linux 5.14 the hierarchy of `pids` can forbid forks, which hybrid's v2 tree can't. */
  #chooseFrom(leaves: readonly Leaf[]): Leaf | undefined {
    const unified = leaves.find(({ hierarchy }) => hierarchy.version === 2);
    if (unified !== undefined && this.#backends.kernel.exists(join(unified.path, 'cgroup.kill'))) return unified;
    return leafWith(leaves, 'pids') ?? unified ?? leaves[0];
  }

  #begin(parent: string): void {
    const names = this.#backends.kernel.directories(parent).filter((name) => NAME.test(name));
    this.#parent = parent;
    this.#idle = undefined;
    this.#spent = names.map((name) => join(parent, name));
    last = Math.max(last, ...names.map((name) => Number(name.slice(PREFIX.length))));
  }

  #make(path: string): string {
    try {
      this.#backends.kernel.mkdir(path);
      return path;
    } catch (error) {
      throw cgroupError(error, 'make cgroup', path);
    }
  }

  #release(path: string): void {
    if (!this.#isClosed && this.#idle === undefined && this.#isEmpty(path)) this.#idle = path;
    else this.#spent.push(path);
    this.#removeSpent();
  }

  #isEmpty(path: string): boolean {
    try {
      return readPids(this.#backends.kernel, path).length === 0;
    } catch {
      return false;
    }
  }

  #removeSpent(): void {
    this.#spent = this.#spent.filter((path) => !this.#isRemoved(path));
  }

  /** A daemon that is root outside of any sandbox may have changed the part, so that the kernel refuses what it does elsewhere. */
  #isRemoved(path: string): boolean {
    const { kernel, processes } = this.#backends;
    try {
      killInside(kernel, [path], processes);
    } catch {
      return false;
    }
    return rmdir(kernel, path);
  }
}

/** @returns false while something in it has not ended. */
function rmdir(kernel: CgroupKernel, path: string): boolean {
  try {
    kernel.rmdir(path);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'EBUSY';
  }
}
