import { describe, expect, it } from 'vitest';
import {
  CGROUP_SUPER_MAGIC,
  CGROUP2_SUPER_MAGIC,
  cgroupFacts,
  ownCgroup,
  parseCgroupMounts,
} from '../../../../src/host/linux/cgroup/detect.ts';

/** Debian with systemd's legacy or hybrid layout: controllers mounted together, symlinks beside them. */
const V1 = `24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 24 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
33 31 0:30 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:12 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:13 - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/blkio rw,relatime shared:14 - cgroup cgroup rw,blkio
37 31 0:34 / /sys/fs/cgroup/net_cls,net_prio rw,relatime shared:15 - cgroup cgroup rw,net_cls,net_prio
38 31 0:35 / /sys/fs/cgroup/pids rw,relatime shared:16 - cgroup cgroup rw,pids
39 31 0:36 / /sys/fs/cgroup/cpuset rw,relatime shared:17 - cgroup cgroup rw,cpuset
`;
const UNIFIED = '32 31 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n';
const V2_ONLY = '31 24 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n';

interface Tree {
  readonly mountinfo: string;
  readonly procCgroup?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly schedulers?: readonly string[];
  /** Something else is mounted over these. */
  readonly covered?: readonly string[];
}

function detect({ mountinfo, procCgroup = '0::/\n', files = {}, schedulers = [], covered = [] }: Tree) {
  const versions = new Map(parseCgroupMounts(mountinfo).map(({ path, version }) => [path, version]));
  return cgroupFacts({
    mountinfo,
    procCgroup,
    schedulers: () => schedulers,
    root: true,
    kernel: {
      read: (path) => files[path],
      exists: (path) => files[path] !== undefined,
      directories: (path) => [
        ...new Set(
          Object.keys(files)
            .filter((file) => file.startsWith(`${path}/`))
            .map((file) => file.slice(path.length + 1).split('/'))
            .filter((parts) => parts.length > 1)
            .map((parts) => parts[0]!),
        ),
      ],
      fileSystem: (path) => {
        if (covered.includes(path)) return 0x01021994;
        return versions.get(path) === 1 ? CGROUP_SUPER_MAGIC : CGROUP2_SUPER_MAGIC;
      },
    },
  });
}

describe('parseCgroupMounts', () => {
  it('reads mount points, octal escapes and controllers', () => {
    const line = '34 31 0:31 /a\\040b /mnt/c\\134d rw shared:1 master:2 - cgroup none rw,memory,noprefix\n';
    expect(parseCgroupMounts(line)).toEqual([{ version: 1, path: '/mnt/c\\d', root: '/a b', controllers: ['memory'] }]);
  });

  it('leaves out everything else, torn lines too', () => {
    expect(parseCgroupMounts('24 1 254:0 / / rw - ext4 /dev/vda rw\n\nrubbish\n1 2 - cgroup\n')).toEqual([]);
  });
});

describe('cgroupFacts', () => {
  it('finds v1 with controllers mounted together', () => {
    const facts = detect({ mountinfo: V1, files: { '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes': '' } });
    expect(facts.controllers.cpu).toEqual({
      version: 1,
      mount: '/sys/fs/cgroup/cpu,cpuacct',
      mountedWith: 'cpu,cpuacct',
    });
    expect(facts.controllers.cpuacct).toEqual(facts.controllers.cpu);
    expect(Object.keys(facts.controllers).sort()).toEqual(['blkio', 'cpu', 'cpuacct', 'cpuset', 'memory', 'pids']);
    expect(facts).toMatchObject({ unified: undefined, swapAccounting: true, ioWeight: false, own: '/' });
  });

  it('finds an empty v2 tree beside v1', () => {
    const facts = detect({
      mountinfo: V1 + UNIFIED,
      procCgroup: '3:memory:/\n0::/system.slice/x.service\n',
      files: { '/sys/fs/cgroup/unified/system.slice/x.service/cgroup.controllers': 'hugetlb\n' },
    });
    expect(facts.unified).toBe('/sys/fs/cgroup/unified');
    expect(facts.own).toBe('/system.slice/x.service');
    expect(facts.controllers.memory?.version).toBe(1);
    expect(facts.swapAccounting).toBe(false);
  });

  it('decides per controller: what v1 leaves is taken from v2', () => {
    const facts = detect({
      mountinfo: `${V1.split('\n')
        .filter((line) => !line.includes('pids') && !line.includes('blkio'))
        .join('\n')}${UNIFIED}`,
      files: { '/sys/fs/cgroup/unified/cgroup.controllers': 'io pids\n' },
    });
    expect(facts.controllers.pids).toEqual({ version: 2, mount: '/sys/fs/cgroup/unified', mountedWith: '' });
    expect(facts.controllers.io?.version).toBe(2);
    expect(facts.controllers.memory?.version).toBe(1);
  });

  it('finds v2 alone, as far as it is delegated to us', () => {
    const own = '/sys/fs/cgroup/system.slice/metactl.service';
    const facts = detect({
      mountinfo: V2_ONLY,
      procCgroup: '0::/system.slice/metactl.service/metactl-supervisor\n',
      files: { [`${own}/cgroup.controllers`]: 'cpu memory pids\n', [`${own}/memory.swap.max`]: 'max\n' },
    });
    expect(Object.keys(facts.controllers).sort()).toEqual(['cpu', 'cpuacct', 'memory', 'pids']);
    expect(facts).toMatchObject({
      unified: '/sys/fs/cgroup',
      own: '/system.slice/metactl.service',
      swapAccounting: true,
    });
  });

  it('looks for swap accounting below, where the root cgroup is ours', () => {
    const files = {
      '/sys/fs/cgroup/cgroup.controllers': 'memory',
      '/sys/fs/cgroup/init.scope/memory.swap.max': 'max',
    };
    expect(detect({ mountinfo: V2_ONLY, files }).swapAccounting).toBe(true);
    expect(
      detect({
        mountinfo: V2_ONLY,
        files: { ...files, '/sys/fs/cgroup/init.scope/memory.swap.max': undefined as never },
      }).swapAccounting,
    ).toBe(false);
  });

  it('is not fooled by a mount that something covers', () => {
    const facts = detect({ mountinfo: V1, covered: ['/sys/fs/cgroup/memory'] });
    expect(facts.controllers.memory).toBeUndefined();
    expect(facts.controllers.pids).toBeDefined();
  });

  it('has nothing where nothing is mounted', () => {
    expect(detect({ mountinfo: '24 1 254:0 / / rw - ext4 /dev/vda rw\n' })).toEqual({
      controllers: {},
      unified: undefined,
      swapAccounting: false,
      ioWeight: false,
      own: '/',
      permitted: true,
    });
  });

  it.each([
    [V1, { '/sys/fs/cgroup/blkio/blkio.bfq.io_service_bytes': '' }, ['none [bfq]'], 'blkio.bfq.weight'],
    [V1, { '/sys/fs/cgroup/blkio/blkio.bfq.io_service_bytes': '' }, ['[none] bfq'], undefined],
    [V1, {}, ['[bfq]'], undefined],
    [V2_ONLY, { '/sys/fs/cgroup/cgroup.controllers': 'io' }, ['[bfq]'], 'io.bfq.weight'],
    [
      V2_ONLY,
      { '/sys/fs/cgroup/cgroup.controllers': 'io', '/sys/fs/cgroup/io.cost.qos': '8:0 enable=1 ctrl=auto' },
      [],
      'io.weight',
    ],
    [
      V2_ONLY,
      { '/sys/fs/cgroup/cgroup.controllers': 'io', '/sys/fs/cgroup/io.cost.qos': '8:0 enable=0 ctrl=auto' },
      [],
      undefined,
    ],
    [V2_ONLY, { '/sys/fs/cgroup/cgroup.controllers': 'memory' }, ['[bfq]'], undefined],
  ])('finds who obeys I/O weights (%#)', (mountinfo, files, schedulers, file) => {
    const facts = detect({ mountinfo, files: files as Record<string, string>, schedulers });
    expect(facts.ioWeightFile).toBe(file);
    expect(facts.ioWeight).toBe(file !== undefined);
  });
});

describe('ownCgroup', () => {
  it.each([
    ['1:cpu:/x\n0::/user.slice/a\n', '/', '/user.slice/a'],
    ['0::/docker/abc/app\n', '/docker/abc', '/app'],
    ['0::/docker/abc\n', '/docker/abc', '/'],
    ['0::/docker/abcd\n', '/docker/abc', '/'],
    ['0::/../other\n', '/', '/'],
    ['1:cpu:/x\n', '/', '/'],
    ['0::/a/metactl-supervisor\n', '/', '/a'],
  ])('%j below %s is %s', (text, root, path) => {
    expect(ownCgroup(text, root)).toBe(path);
  });
});
