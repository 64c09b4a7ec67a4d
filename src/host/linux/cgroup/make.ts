import { MetactlError } from '../../../util/error.ts';
import { type CgroupKernel, errnoOf } from './kernel.ts';
import type { LeafPath } from './tree.ts';

/** Another daemon's end may remove an empty parent between two of our steps; that it happens this often is no accident. */
const ATTEMPTS = 10;

/**
 * Makes a daemon's directory with its parents. One that is there already is made anew, because its counters and limits are
 * those of an earlier run. @throws MetactlError METACTL_CGROUP_BUSY where processes are left in it.
 */
export function makeLeaf(kernel: CgroupKernel, path: LeafPath): void {
  for (let attempt = 1; ; attempt++) {
    try {
      if (kernel.mkdir(path.leaf)) return;
      kernel.rmdir(path.leaf);
    } catch (error) {
      if (errnoOf(error) === 'EBUSY') throw busyError(path.leaf, kernel);
      if (errnoOf(error) !== 'ENOENT' || attempt === ATTEMPTS) throw cgroupError(error, 'make cgroup', path.leaf);
    }
  }
}

/** A failed call as a MetactlError: step, path, errno and what to do. Pure. */
export function cgroupError(error: unknown, step: string, path: string): MetactlError {
  if (error instanceof MetactlError) return error;
  const { errno, syscall } = error as NodeJS.ErrnoException;
  const code = errnoOf(error);
  return new MetactlError(`can't ${step} ${path}: ${code}`, {
    code,
    step,
    path,
    hint: HINTS[code] ?? 'look at the directory and at the kernel log',
    cause: error,
    ...(syscall === undefined ? {} : { syscall }),
    ...(errno === undefined ? {} : { errno: Math.abs(errno) }),
  });
}

const HINTS: Readonly<Record<string, string>> = {
  EROFS: 'the cgroup file system is mounted read-only: metactl runs in a container without cgroups of its own',
  EACCES: 'run it as root',
  EPERM: 'run it as root',
  ENOSPC: 'the machine has too many cgroups, or a limit of cgroup.max.descendants is reached',
  EAGAIN: 'a limit of cgroup.max.descendants or cgroup.max.depth is reached',
  ENOENT: 'somebody removes directories of metactl while it makes them',
};

export function busyError(path: string, kernel: CgroupKernel): MetactlError {
  const pids = (kernel.read(`${path}/cgroup.procs`) ?? '').trim().replaceAll('\n', ' ');
  return new MetactlError(`cgroup ${path} is in use${pids === '' ? '' : ` by the processes ${pids}`}`, {
    code: 'METACTL_CGROUP_BUSY',
    step: 'remove cgroup',
    path,
    // An app of another root, whose id of 16 bits is the same, has the same name for its own.
    hint:
      'first find out whose these processes are: `ps -o pid,ppid,user,args` of them, `metactl status` of every root of metactl here; ' +
      'the daemon may still run; only what an earlier run left `metactl gc` ends',
  });
}
