import { describe, expect, it } from 'vitest';
import { makeDaemonCgroup } from '../../../src/host/linux/cgroup/daemon.ts';
import { listProcesses, parseProcess } from '../../../src/host/linux/processes.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { FakeProcesses, HYBRID, hybridKernel } from './cgroup/fake-kernel.ts';

const CLOCK = { bootTime: 1_000_000, uptime: 1000 };

/** Fields 14 and 15 are CPU ticks, 22 is the start in ticks after boot. */
function stat(pid: number, { name = 'java', state = 'S', user = 150, system = 50, start = 90_000 } = {}): string {
  return `${pid} (${name}) ${state} 1 41 41 0 -1 4194560 900 0 3 0 ${user} ${system} 0 0 20 0 12 0 ${start} 1 2 3\n`;
}
const status = (pid: number, inside = `\t7`) =>
  `Name:\tjava\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t${pid}\nUid:\t70001\t70001\t70001\t70001\nNSpid:\t${pid}${inside}\nVmRSS:\t   20480 kB\nThreads:\t12\n`;

describe('parseProcess', () => {
  const parse = (texts: Partial<Parameters<typeof parseProcess>[0]>) =>
    parseProcess(
      { stat: stat(4242), status: status(4242), cmdline: 'java\0-jar\0shop.jar\0', ...texts },
      CLOCK,
      () => undefined,
    );

  it('reads pids, memory, times and the command', () => {
    expect(parse({})).toEqual({
      pid: 4242,
      insidePid: 7,
      uid: 70001,
      user: '70001',
      state: 'S',
      rss: 20 * 2 ** 20,
      cpuTime: 2_000_000,
      cpu: 0.02,
      startedAt: (1_000_000 + 900) * 1000,
      command: 'java -jar shop.jar',
      revealedCommand: 'java -jar shop.jar',
    });
  });

  it('reads the uid inside from the map of its user namespace', () => {
    const map = '         0     524288         10\n      1000      70001          1\n';
    expect(parse({ uidMap: map })?.insideUid).toBe(1000);
    expect(parse({ uidMap: '0 524288 10\n' })?.insideUid).toBeUndefined();
    expect(parse({})?.insideUid).toBeUndefined();
  });

  it('is not misled by names with spaces, parentheses and line ends', () => {
    const process = parse({ stat: stat(4242, { name: 'a) R 1 (b\n', state: 'Z' }), cmdline: '' });
    expect(process).toMatchObject({ state: 'Z', cpuTime: 2_000_000, command: '[a) R 1 (b\\n]' });
  });

  it('escapes what could do something to the terminal, and cuts what is too long', () => {
    expect(parse({ cmdline: 'sh\0-c\0\u001b]0;x\u0007\r\nreboot\0' })?.command).toBe(
      'sh -c \\x1b]0;x\\x07\\r\\nreboot',
    );
    expect(parse({ cmdline: 'x'.repeat(100_000) })?.command).toHaveLength(4096);
  });

  it('hides secrets, word by word', () => {
    const process = parse({ cmdline: 'app\0--password\0a b\0--token=x y\0mysql://u:hunter2@db/x\0' });
    expect(process).toMatchObject({
      command: 'app --password *** --token=*** mysql://u:***@db/x',
      revealedCommand: 'app --password a b --token=x y mysql://u:hunter2@db/x',
    });
  });

  it('has no inside pid without a PID namespace', () => {
    expect(parse({ status: status(4242, '') })?.insidePid).toBeUndefined();
    expect(parse({ status: status(4242, '\t9\t1') })?.insidePid).toBe(1);
  });

  it('has no CPU share for a process of this very moment', () => {
    expect(parse({ stat: stat(4242, { start: 100_000 }) })?.cpu).toBe(0);
  });

  it('takes the name of the user', () => {
    const texts = { stat: stat(4242), status: status(4242), cmdline: '' };
    expect(parseProcess(texts, CLOCK, (uid) => (uid === 70001 ? 'shop' : undefined))?.user).toBe('shop');
  });

  it.each([{ stat: '' }, { stat: '4242 (java' }, { status: '' }])('leaves out torn texts (%#)', (texts) => {
    expect(parse(texts)).toBeUndefined();
  });
});

describe('listProcesses', () => {
  const paths = pathsFor('/');

  /** A machine with two daemons of `shop` and one of `blog`, one process each; /proc is part of the fake. */
  function machine() {
    const kernel = hybridKernel();
    const backends = { kernel, processes: new FakeProcesses(kernel) };
    const texts = new Map<string, string>([
      ['/proc/stat', 'cpu 1 2 3\nbtime 1000000\n'],
      ['/proc/uptime', '1000.00 1800.00\n'],
      ['/etc/passwd', 'root:x:0:0::/root:/bin/sh\nshop:x:70001:70001::/:/bin/false\nother:x:70001:1::/:/x\n'],
    ]);
    const read = kernel.read.bind(kernel);
    kernel.read = (path) => texts.get(path) ?? read(path);
    const add = (app: string, daemon: string, pid: number) => {
      const [memory] = makeDaemonCgroup(paths, app, daemon, {}, HYBRID, false, backends).paths;
      kernel.set(`${memory}/cgroup.procs`, `${pid}\n`);
      texts.set(`/proc/${pid}/stat`, stat(pid));
      texts.set(`/proc/${pid}/status`, status(pid));
      texts.set(`/proc/${pid}/cmdline`, 'java\0');
      texts.set(`/proc/${pid}/cgroup`, `5:memory:/metactl/${app}/${daemon}\n0::/metactl/${app}/${daemon}\n`);
    };
    add('shop', 'web', 300);
    add('shop', 'jobs', 200);
    add('blog', 'web', 100);
    const list = (app?: string, daemon?: string) =>
      listProcesses(paths, app, daemon, HYBRID, kernel).map((process) => [process.app, process.daemon, process.pid]);
    return { kernel, texts, list };
  }

  it('lists all, one app, one daemon', () => {
    const { list } = machine();
    expect(list()).toEqual([
      ['blog', 'web', 100],
      ['shop', 'jobs', 200],
      ['shop', 'web', 300],
    ]);
    expect(list('shop')).toEqual([
      ['shop', 'jobs', 200],
      ['shop', 'web', 300],
    ]);
    expect(list('shop', 'web')).toEqual([['shop', 'web', 300]]);
    expect(list('wiki')).toEqual([]);
    expect(list('shop', 'cron')).toEqual([]);
  });

  it('names users as /etc/passwd does, the first of several', () => {
    const { kernel } = machine();
    expect(listProcesses(paths, 'shop', 'web', HYBRID, kernel)[0]?.user).toBe('shop');
  });

  it('leaves out a process that is gone', () => {
    const { texts, list } = machine();
    texts.delete('/proc/300/stat');
    texts.delete('/proc/300/cgroup');
    expect(list('shop')).toEqual([['shop', 'jobs', 200]]);
  });

  it('leaves out a stranger that got the pid before it was looked at', () => {
    const { texts, list } = machine();
    texts.set('/proc/300/cgroup', '5:memory:/user.slice\n');
    expect(list('shop', 'web')).toEqual([]);
    texts.set('/proc/300/cgroup', '5:memory:/metactl/shop/web2\n');
    expect(list('shop', 'web')).toEqual([]);
    texts.set('/proc/300/cgroup', '5:memory:/metactl/shop/web/below\n');
    expect(list('shop', 'web')).toHaveLength(1);
  });

  it('leaves out a stranger that got the pid while it was looked at', () => {
    const { kernel, texts, list } = machine();
    const read = kernel.read;
    kernel.read = (path) => {
      if (path === '/proc/300/cmdline') texts.set('/proc/300/stat', stat(300, { start: 99_000 }));
      return read(path);
    };
    expect(list('shop', 'web')).toEqual([]);
  });

  it('leaves out a process that ends while a file of it is open', () => {
    const { kernel, list } = machine();
    const read = kernel.read;
    kernel.read = (path) => {
      if (path === '/proc/300/cmdline') throw Object.assign(new Error(), { code: 'ESRCH' });
      if (path === '/proc/300/stat') throw Object.assign(new Error(), { code: 'ESRCH' });
      return read(path);
    };
    expect(list('shop', 'web')).toEqual([]);
    kernel.read = (path) => {
      if (path.startsWith('/proc/300')) throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return read(path);
    };
    expect(() => list('shop', 'web')).toThrow('EIO');
  });
});
