import { describe, expect, it } from 'vitest';
import { ListeningCache, type ListeningKernel, MOST_LOOKS, Turn } from '../../../../src/host/linux/listening.ts';

/** A kernel that counts. Descriptor 3 is `socket` where a process has one; all are in one network. */
function kernel({
  descriptors = 100,
  listeners = [7],
  more = false,
  socket = (_pid: number): number | undefined => 7,
} = {}) {
  const counted = { entries: 0, links: 0, tables: 0, processes: 0 };
  const fake: ListeningKernel = {
    networkOf() {
      counted.processes++;
      return 'net:[1]';
    },
    listenersOf() {
      counted.tables++;
      return {
        listeners: listeners.map((inode) => ({ inode: String(inode), text: `tcp 0.0.0.0:${inode}` })),
        cut: more,
      };
    },
    *descriptorsOf() {
      for (let fd = 0; fd < descriptors; fd++) {
        counted.entries++;
        yield String(fd);
      }
    },
    linkOf(pid, fd) {
      counted.links++;
      const inode = fd === '3' ? socket(pid) : undefined;
      return inode === undefined ? '/dev/null' : `socket:[${inode}]`;
    },
  };
  return { fake, counted };
}

const pids = (count: number) => Array.from({ length: count }, (_, index) => index + 100);

describe('where a daemon listens', () => {
  it('is known as soon as all is found that listens in its network', () => {
    const { fake, counted } = kernel({ descriptors: 3000 });
    expect(new Turn(fake).look(pids(600))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: false });
    expect(counted).toMatchObject({ tables: 1, processes: 1, links: 4 });
  });

  it('is put together from several processes', () => {
    const { fake, counted } = kernel({
      listeners: [7, 8],
      socket: (pid) => (pid === 100 ? 7 : pid === 103 ? 8 : undefined),
    });
    expect(new Turn(fake).look(pids(600))).toEqual({ found: ['tcp 0.0.0.0:7', 'tcp 0.0.0.0:8'], cut: false });
    expect(counted.processes).toBe(4);
  });

  it('costs a bounded number of looks, however many descriptors and processes there are, and says that it is not all', () => {
    const many = kernel({ descriptors: 3000, listeners: [7, 9] });
    expect(new Turn(many.fake).look(pids(600))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: true });
    expect(many.counted.links + many.counted.processes).toBeLessThanOrEqual(MOST_LOOKS.daemon);
    expect(many.counted.entries).toBeLessThanOrEqual(MOST_LOOKS.daemon);
    const processes = kernel({ descriptors: 0, listeners: [9] });
    expect(new Turn(processes.fake).look(pids(30_000))).toEqual({ found: [], cut: true });
    expect(processes.counted.processes).toBe(MOST_LOOKS.daemon);
    const one = kernel({ descriptors: 3000, listeners: [9] });
    expect(new Turn(one.fake).look(pids(1))).toEqual({ found: [], cut: true });
    expect(one.counted.links).toBeLessThan(MOST_LOOKS.process);
  });

  it('is not all where the kernel has more to tell', () => {
    expect(new Turn(kernel({ more: true }).fake).look(pids(2))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: true });
  });

  it('of an ordinary daemon is all', () => {
    const { fake } = kernel({ listeners: [7, 9] });
    expect(new Turn(fake).look(pids(10))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: false });
  });

  it('of many daemons is looked up for some now, and for the others with the next question', () => {
    const { fake, counted } = kernel({ descriptors: 3000, listeners: [7, 9] });
    const caches = pids(30).map(() => new ListeningCache());
    for (const cache of caches) cache.begin();
    const all = () => {
      const turn = new Turn(fake);
      return caches.map((cache) => cache.look(() => pids(600), turn));
    };
    const known = () => all().filter(({ found }) => found.length > 0).length;
    const first = known();
    expect(counted.links).toBeLessThanOrEqual(MOST_LOOKS.turn);
    expect(first).toBe(MOST_LOOKS.turn / MOST_LOOKS.daemon);
    expect(all().every(({ cut }) => cut)).toBe(true);
    for (let round = 0; round < 6; round++) known();
    expect(known()).toBe(30);
  });
});
