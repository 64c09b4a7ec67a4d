import { describe, expect, it } from 'vitest';
import {
  inSlices,
  ListeningCache,
  type ListeningKernel,
  type Looks,
  MOST_LOOKS,
  Round,
} from '../../../../src/host/linux/listening.ts';

/** A kernel that counts. Descriptor 3 is `socket` where a process has one; all are in one network. */
function kernel({
  descriptors = 100,
  listeners = [7],
  more = false,
  socket = (_pid: number): number | undefined => 7,
} = {}) {
  const counted = { entries: 0, links: 0, tables: 0, parts: 0, processes: 0 };
  const fake: ListeningKernel = {
    networkOf() {
      counted.processes++;
      return 'net:[1]';
    },
    *listenersOf() {
      counted.tables++;
      yield listeners.map((inode) => ({ inode: String(inode), text: `tcp 0.0.0.0:${inode}` }));
      for (let part = 1; more; part++) {
        counted.parts++;
        yield Array.from({ length: 300 }, (_, i) => ({ inode: `${part}000${i}`, text: `tcp [::]:${i}` }));
      }
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

const drained = <T>(looks: Looks<T>): T => {
  for (;;) {
    const step = looks.next();
    if (step.done === true) return step.value;
  }
};
const look = (fake: ListeningKernel, of: readonly number[]) => drained(new Round(fake).look(of));

const pids = (count: number) => Array.from({ length: count }, (_, index) => index + 100);

describe('where a daemon listens', () => {
  it('is known as soon as all is found that listens in its network', () => {
    const { fake, counted } = kernel({ descriptors: 3000 });
    expect(look(fake, pids(600))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: false });
    expect(counted).toMatchObject({ tables: 1, processes: 1, links: 4 });
  });

  it('is put together from several processes', () => {
    const { fake, counted } = kernel({
      listeners: [7, 8],
      socket: (pid) => (pid === 100 ? 7 : pid === 103 ? 8 : undefined),
    });
    expect(look(fake, pids(600))).toEqual({ found: ['tcp 0.0.0.0:7', 'tcp 0.0.0.0:8'], cut: false });
    expect(counted.processes).toBe(4);
  });

  it('costs a bounded number of looks, however many descriptors and processes there are, and says that it is not all', () => {
    const many = kernel({ descriptors: 3000, listeners: [7, 9] });
    expect(look(many.fake, pids(600))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: true });
    expect(many.counted.links + many.counted.processes).toBeLessThanOrEqual(MOST_LOOKS.daemon);
    expect(many.counted.entries).toBeLessThanOrEqual(MOST_LOOKS.daemon);
    const processes = kernel({ descriptors: 0, listeners: [9] });
    expect(look(processes.fake, pids(30_000))).toEqual({ found: [], cut: true });
    expect(processes.counted.processes).toBe(MOST_LOOKS.daemon);
    const one = kernel({ descriptors: 3000, listeners: [9] });
    expect(look(one.fake, pids(1))).toEqual({ found: [], cut: true });
    expect(one.counted.links).toBeLessThan(MOST_LOOKS.process);
  });

  it('is not all where the kernel has more to tell, which is not asked for', () => {
    const { fake, counted } = kernel({ more: true });
    expect(look(fake, pids(2))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: true });
    expect(counted.parts).toBeLessThan(16);
  });

  it('of an ordinary daemon is all', () => {
    const { fake } = kernel({ listeners: [7, 9] });
    expect(look(fake, pids(10))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: false });
  });

  it('of many daemons is looked up for some now, and for the others with the next question', async () => {
    const { fake, counted } = kernel({ descriptors: 3000, listeners: [7, 9] });
    const caches = pids(30).map(() => new ListeningCache());
    for (const cache of caches) cache.begin();
    const all = async () => {
      const round = new Round(fake);
      await Promise.all(
        caches.map((cache) =>
          cache.look(
            () => pids(600),
            async (looks) => drained(looks(round)),
          ),
        ),
      );
      return caches.map(({ last }) => last);
    };
    const known = async () => (await all()).filter(({ found }) => found.length > 0).length;
    const first = await known();
    expect(counted.links).toBeLessThanOrEqual(MOST_LOOKS.round);
    expect(first).toBe(MOST_LOOKS.round / MOST_LOOKS.daemon);
    expect((await all()).every(({ cut }) => cut)).toBe(true);
    for (let i = 0; i < 6; i++) await known();
    expect(await known()).toBe(30);
  });

  it('lets others have their turn between its slices', async () => {
    const { fake, counted } = kernel({ descriptors: 3000, listeners: [7, 9] });
    let [most, before, over] = [0, 0, false];
    const others = () => {
      const now = counted.links + counted.processes;
      most = Math.max(most, now - before);
      before = now;
      if (!over) setImmediate(others);
    };
    others();
    expect(await inSlices(new Round(fake).look(pids(600)))).toEqual({ found: ['tcp 0.0.0.0:7'], cut: true });
    over = true;
    expect(before).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(MOST_LOOKS.slice);

    const endless = kernel({ more: true });
    const looks = new Round(endless.fake).look(pids(1));
    const parts: number[] = [];
    while (looks.next().done !== true) parts.push(endless.counted.parts);
    expect(parts.length).toBeGreaterThan(0);
    expect(parts[0]).toBeLessThanOrEqual(MOST_LOOKS.slice / MOST_LOOKS.network);
  });

  it('of a run is not told of the next one', async () => {
    const { fake } = kernel();
    const cache = new ListeningCache();
    cache.begin();
    const work = <T>(looks: (round: Round) => Looks<T>) => inSlices(looks(new Round(fake)));
    const first = cache.look(() => pids(2), work);
    expect(cache.look(() => pids(2), work)).toBe(first);
    cache.begin();
    await first;
    expect(cache.last).toEqual({ found: [], cut: false });
    await cache.look(() => pids(2), work);
    expect(cache.last).toEqual({ found: ['tcp 0.0.0.0:7'], cut: false });
  });

  it('is looked for anew where it could not be', async () => {
    const { fake } = kernel();
    const cache = new ListeningCache();
    const work = <T>(looks: (round: Round) => Looks<T>) => inSlices(looks(new Round(fake)));
    const fails = () => {
      throw new Error('no cgroup');
    };
    await expect(cache.look(fails, work)).rejects.toThrow('no cgroup');
    await cache.look(() => pids(2), work);
    expect(cache.last.found).toEqual(['tcp 0.0.0.0:7']);
  });
});
