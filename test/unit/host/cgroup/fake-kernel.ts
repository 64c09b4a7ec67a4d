import { dirname, join } from 'node:path';
import type { CgroupFacts } from '../../../../src/host/host.ts';
import { CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC } from '../../../../src/host/linux/cgroup/detect.ts';
import type { CgroupKernel } from '../../../../src/host/linux/cgroup/kernel.ts';
import type { Processes } from '../../../../src/host/linux/cgroup/kill.ts';

/** Files that the kernel makes in a new directory of a v1 hierarchy, with their first values. */
const V1_FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  memory: {
    'memory.limit_in_bytes': '9223372036854771712',
    'memory.memsw.limit_in_bytes': '9223372036854771712',
    'memory.usage_in_bytes': '0',
    'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 0\n',
    'memory.use_hierarchy': '0',
  },
  cpu: { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '-1', 'cpu.shares': '1024' },
  cpuacct: { 'cpuacct.usage': '0' },
  cpuset: { 'cpuset.cpus': '', 'cpuset.mems': '', 'cgroup.clone_children': '0' },
  pids: { 'pids.max': 'max', 'pids.current': '0' },
  blkio: { 'blkio.bfq.weight': '100' },
};
const V2_FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  memory: {
    'memory.max': 'max',
    'memory.high': 'max',
    'memory.swap.max': 'max',
    'memory.oom.group': '0',
    'memory.current': '0',
    'memory.events': 'low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n',
  },
  cpu: { 'cpu.max': 'max 100000', 'cpu.weight': '100' },
  pids: { 'pids.max': 'max', 'pids.current': '0' },
  io: { 'io.weight': 'default 100' },
  cpuset: { 'cpuset.cpus': '', 'cpuset.mems': '' },
};

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/**
 * Cgroup file systems in memory that obey the kernel's rules as far as metactl meets them: files appear with directories
 * and controllers, occupied directories can't be removed, v2 hands on controllers only from cgroups without processes.
 */
export class FakeKernel implements CgroupKernel {
  readonly files = new Map<string, Map<string, string>>();
  /** Everything written, `path=value`, in order. */
  readonly writes: string[] = [];
  readonly open = new Map<number, string>();
  readonly foreign = new Set<string>();
  /** ms that were waited. */
  paused = 0;
  /** Called before a write; throws what the kernel would answer. */
  onWrite: (path: string, value: string) => void = () => {};
  readonly #mounts: readonly { readonly path: string; readonly controllers: readonly string[] | undefined }[];
  #nextFd = 100;

  /** @param mounts path → v1 controllers, or undefined for the v2 tree (with `available` in its root). */
  constructor(
    mounts: Readonly<Record<string, readonly string[] | undefined>>,
    available = 'cpuset cpu io memory pids',
  ) {
    this.#mounts = Object.entries(mounts).map(([path, controllers]) => ({ path, controllers }));
    for (const { path, controllers } of this.#mounts) {
      this.files.set(path, new Map([['cgroup.procs', '']]));
      if (controllers === undefined) {
        this.files.get(path)!.set('cgroup.controllers', available).set('cgroup.subtree_control', '');
      } else if (controllers.includes('cpuset')) {
        this.files.get(path)!.set('cpuset.cpus', '0-1\n').set('cpuset.mems', '0\n');
      }
    }
  }

  set(path: string, value: string): void {
    this.files.get(dirname(path))!.set(path.slice(dirname(path).length + 1), value);
  }

  existsAny(paths: readonly string[]): boolean {
    return paths.some((path) => this.exists(path));
  }

  mkdir(path: string): boolean {
    if (this.files.has(path)) return false;
    const parent = this.files.get(dirname(path));
    if (parent === undefined) this.mkdir(dirname(path));
    this.files.set(path, new Map([['cgroup.procs', '']]));
    const mount = this.#mounts.find((one) => path.startsWith(`${one.path}/`))!;
    if (mount.controllers === undefined) this.#populateV2(path);
    else {
      const own = this.files.get(path)!.set('tasks', '');
      for (const name of mount.controllers)
        for (const [file, value] of Object.entries(V1_FILES[name] ?? {})) own.set(file, value);
      const above = this.files.get(dirname(path))!;
      if (above.get('cgroup.clone_children') === '1') {
        for (const file of ['cpuset.cpus', 'cpuset.mems', 'cgroup.clone_children']) own.set(file, above.get(file)!);
      }
    }
    return true;
  }

  #populateV2(path: string): void {
    const own = this.files.get(path)!;
    const given = this.files.get(dirname(path))!.get('cgroup.subtree_control') ?? '';
    own.set('cgroup.controllers', given);
    for (const [file, value] of Object.entries({
      'cgroup.subtree_control': '',
      'cgroup.kill': '',
      'cpu.stat': 'usage_usec 0\n',
    })) {
      if (!own.has(file)) own.set(file, value);
    }
    for (const name of given.split(' ')) {
      for (const [file, value] of Object.entries(V2_FILES[name] ?? {})) if (!own.has(file)) own.set(file, value);
    }
  }

  rmdir(path: string): void {
    const own = this.files.get(path);
    if (own === undefined) throw failure('ENOENT');
    if (own.get('cgroup.procs') !== '' || this.directories(path).length > 0) throw failure('EBUSY');
    this.files.delete(path);
  }

  write(path: string, value: string): void {
    this.onWrite(path, value);
    const directory = dirname(path);
    const file = path.slice(directory.length + 1);
    const own = this.files.get(directory);
    if (own?.has(file) !== true) throw failure('ENOENT');
    if (file === 'cgroup.subtree_control') this.#handOn(directory, value);
    else if (file === 'cgroup.procs') this.#move(directory, value);
    else if (file === 'cgroup.kill') this.#clear(directory);
    else own.set(file, value);
    this.writes.push(`${path}=${value}`);
  }

  #handOn(directory: string, value: string): void {
    const own = this.files.get(directory)!;
    if (own.get('cgroup.procs') !== '' && !this.#mounts.some(({ path }) => path === directory)) throw failure('EBUSY');
    const names = value.split(' ').map((word) => word.slice(1));
    if (names.some((name) => !own.get('cgroup.controllers')!.split(' ').includes(name))) throw failure('ENOENT');
    own.set('cgroup.subtree_control', [own.get('cgroup.subtree_control'), ...names].join(' ').trim());
    for (const name of this.directories(directory)) this.#populateV2(join(directory, name));
  }

  #move(directory: string, pid: string): void {
    const mount = this.#mounts.find(({ path }) => directory.startsWith(path))!;
    for (const [path, own] of this.files) {
      if (!path.startsWith(mount.path)) continue;
      own.set(
        'cgroup.procs',
        own
          .get('cgroup.procs')!
          .split('\n')
          .filter((line) => line !== pid)
          .join('\n'),
      );
    }
    const there = this.files.get(directory)!.get('cgroup.procs')!;
    this.files.get(directory)!.set('cgroup.procs', `${there}${pid}\n`);
  }

  #clear(directory: string): void {
    const pids = this.files.get(directory)!.get('cgroup.procs')!.split('\n');
    for (const own of this.files.values()) {
      own.set(
        'cgroup.procs',
        own
          .get('cgroup.procs')!
          .split('\n')
          .filter((line) => !pids.includes(line))
          .join('\n'),
      );
    }
  }

  read(path: string): string | undefined {
    return this.files.get(dirname(path))?.get(path.slice(dirname(path).length + 1));
  }
  readNumbers(files: string): number[] {
    const texts = files
      .split('\0')
      .slice(0, -1)
      .map((file) => this.read(file) ?? '0');
    return texts.map((text) => Number(/^(?:\w+ )?(\d+)/.exec(text)![1]));
  }
  openForWriting(path: string): number {
    if (this.read(path) === undefined) throw failure('ENOENT');
    this.open.set(++this.#nextFd, path);
    return this.#nextFd;
  }
  openDirectory(path: string): number {
    if (!this.files.has(path)) throw failure('ENOENT');
    this.open.set(++this.#nextFd, path);
    return this.#nextFd;
  }
  close(fd: number): void {
    if (!this.open.delete(fd)) throw failure('EBADF');
  }
  directories(path: string): string[] {
    return [...this.files.keys()].filter((one) => dirname(one) === path).map((one) => one.slice(path.length + 1));
  }
  exists(path: string): boolean {
    return this.files.has(path) || this.read(path) !== undefined;
  }
  isRoots(path: string): boolean {
    return !this.foreign.has(path);
  }
  fileSystem(path: string): number | undefined {
    const mount = this.#mounts.find((one) => one.path === path);
    if (mount === undefined) return undefined;
    return mount.controllers === undefined ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
  }
  pause(milliseconds: number): void {
    this.paused += milliseconds;
  }
}

/** Processes that die at once when killed, and leave the fake kernel's cgroups. */
export class FakeProcesses implements Processes {
  readonly killed: number[] = [];
  readonly #kernel: FakeKernel;
  constructor(kernel: FakeKernel) {
    this.#kernel = kernel;
  }
  open(pid: number): number | undefined {
    return pid;
  }
  kill(pidfd: number): void {
    this.killed.push(pidfd);
    for (const own of this.#kernel.files.values()) {
      own.set(
        'cgroup.procs',
        own
          .get('cgroup.procs')!
          .split('\n')
          .filter((line) => line !== String(pidfd))
          .join('\n'),
      );
    }
  }
  close(): void {}
}

const controller = (version: 1 | 2, mount: string, mountedWith: string) => ({ version, mount, mountedWith });

/** A machine with all of v1 and an empty v2 tree beside it. */
export const HYBRID: CgroupFacts = {
  controllers: {
    memory: controller(1, '/cg/memory', 'memory'),
    cpu: controller(1, '/cg/cpu,cpuacct', 'cpu,cpuacct'),
    cpuacct: controller(1, '/cg/cpu,cpuacct', 'cpu,cpuacct'),
    cpuset: controller(1, '/cg/cpuset', 'cpuset'),
    pids: controller(1, '/cg/pids', 'pids'),
    blkio: controller(1, '/cg/blkio', 'blkio'),
  },
  unified: '/cg/unified',
  swapAccounting: true,
  ioWeight: true,
  ioWeightFile: 'blkio.bfq.weight',
  own: '/',
  permitted: true,
};

export function hybridKernel(): FakeKernel {
  return new FakeKernel(
    {
      '/cg/memory': ['memory'],
      '/cg/cpu,cpuacct': ['cpu', 'cpuacct'],
      '/cg/cpuset': ['cpuset'],
      '/cg/pids': ['pids'],
      '/cg/blkio': ['blkio'],
      '/cg/unified': undefined,
    },
    '',
  );
}

/** A machine with v2 only; this process was started in a unit. */
export const V2: CgroupFacts = {
  controllers: {
    memory: controller(2, '/cg', ''),
    cpu: controller(2, '/cg', ''),
    cpuacct: controller(2, '/cg', ''),
    cpuset: controller(2, '/cg', ''),
    pids: controller(2, '/cg', ''),
    io: controller(2, '/cg', ''),
  },
  unified: '/cg',
  swapAccounting: true,
  ioWeight: true,
  ioWeightFile: 'io.weight',
  own: '/system.slice/metactl.service',
  permitted: true,
};

/** With this process in its unit's cgroup, which the service manager has delegated. */
export function v2Kernel(): FakeKernel {
  const kernel = new FakeKernel({ '/cg': undefined });
  kernel.mkdir('/cg/system.slice');
  kernel.write('/cg/cgroup.subtree_control', '+cpuset +cpu +io +memory +pids');
  kernel.write('/cg/system.slice/cgroup.subtree_control', '+cpuset +cpu +io +memory +pids');
  kernel.mkdir('/cg/system.slice/metactl.service');
  kernel.set('/cg/system.slice/metactl.service/cgroup.procs', `${process.pid}\n`);
  kernel.writes.length = 0;
  return kernel;
}
