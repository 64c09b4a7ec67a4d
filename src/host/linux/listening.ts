import { opendirSync, readlinkSync } from 'node:fs';
import { type Listener, listenersOf } from './sock-diag.ts';

/** What one look may read, counted in entries of /proc: an app has as many processes and descriptors as it likes. An entry takes some 10 µs. */
export const MOST_LOOKS = {
  /** Of one process: what it listens on it mostly opened first, and numbers go up. */
  process: 1024,
  /** Of one daemon. */
  daemon: 2048,
  /** Of all daemons that are asked for together. */
  round: 8192,
  /** In one go: then others get their turn, the end of a daemon that is to be back at once among them. */
  slice: 200,
  /** The first look at a network counts as so many, and each part of what the kernel tells of it. */
  network: 20,
} as const;

/** No more listeners of a network are asked for than the part that reaches this: an app may open millions. */
const MOST_LISTENERS = 4096;

/** Where processes listen, as far as it was looked. */
export interface Listening {
  /** Without doubles, in the order in which they were found: `tcp 0.0.0.0:8080`. */
  readonly found: readonly string[];
  /** There was more to look at. */
  readonly cut: boolean;
}

/** What the kernel tells of a process. All throw where it ended. Tests put another in its place. */
export interface ListeningKernel {
  networkOf(pid: number): string;
  /** Part by part. Lazy, as the next. */
  listenersOf(pid: number): Iterable<readonly Listener[]>;
  /** Lazy: not more is read than what is taken. */
  descriptorsOf(pid: number): Iterable<string>;
  linkOf(pid: number, fd: string): string;
}

type Table = ReadonlyMap<string, string>;

/** Whatever was looked up until now, there is more to come: others may have their turn. */
export type Looks<T> = Generator<void, T>;

/** What is shared by all that is asked together. Daemons of an app have one network: it is asked once. */
export class Round {
  readonly #kernel: ListeningKernel;
  readonly #tables = new Map<string, { readonly table: Table; readonly cut: boolean }>();
  #left: number = MOST_LOOKS.round;
  #slice = 0;

  constructor(kernel: ListeningKernel = linux) {
    this.#kernel = kernel;
  }

  /** Nothing more can be looked up in this round. */
  get isOver(): boolean {
    return this.#left <= 0;
  }

  /** Where processes listen for TCP connections. A process that ends meanwhile is left out. */
  *look(pids: readonly number[]): Looks<Listening> {
    const found = new Set<string>();
    const seen = new Map<Table, Set<string>>();
    let left = Math.min(MOST_LOOKS.daemon, this.#left);
    const before = left;
    let cut = false;
    for (const pid of pids) {
      if (left <= 0) {
        cut = true;
        break;
      }
      const of = yield* this.#process(pid, Math.min(left, MOST_LOOKS.process), found, seen);
      left -= of.looks;
      cut ||= of.cut;
      if (of.all) {
        cut = of.cut;
        break;
      }
    }
    this.#left -= before - left;
    return { found: [...found], cut };
  }

  /** @returns all: whatever listens in its network is the daemon's, so its other processes need no look. */
  *#process(
    pid: number,
    most: number,
    found: Set<string>,
    seen: Map<Table, Set<string>>,
  ): Looks<{ looks: number; cut: boolean; all: boolean }> {
    let looks = 1;
    let cut = false;
    yield* this.#pace(1);
    try {
      const { table, cut: more } = yield* this.#tableOf(pid);
      const ours = seen.get(table) ?? new Set();
      seen.set(table, ours);
      for (const fd of table.size === 0 ? [] : this.#kernel.descriptorsOf(pid)) {
        if (looks++ >= most) {
          cut = true;
          break;
        }
        yield* this.#pace(1);
        const inode = /^socket:\[(\d+)\]$/.exec(this.#link(pid, fd))?.[1];
        const text = inode === undefined ? undefined : table.get(inode);
        if (text === undefined || inode === undefined) continue;
        found.add(text);
        ours.add(inode);
        if (ours.size === table.size) return { looks, cut: more, all: true };
      }
      cut ||= more;
    } catch {
      // It ended, or the kernel can't tell.
    }
    return { looks, cut, all: false };
  }

  *#tableOf(pid: number): Looks<{ readonly table: Table; readonly cut: boolean }> {
    const network = this.#kernel.networkOf(pid);
    const known = this.#tables.get(network);
    if (known !== undefined) return known;
    const table = new Map<string, string>();
    let cut = false;
    for (const part of this.#kernel.listenersOf(pid)) {
      cut = table.size >= MOST_LISTENERS;
      if (cut) break;
      for (const { inode, text } of part) table.set(inode, text);
      yield* this.#pace(MOST_LOOKS.network);
    }
    const made = { table, cut };
    this.#tables.set(network, made);
    return made;
  }

  *#pace(looks: number): Looks<void> {
    this.#slice += looks;
    if (this.#slice < MOST_LOOKS.slice) return;
    this.#slice = 0;
    yield;
  }

  #link(pid: number, fd: string): string {
    try {
      return this.#kernel.linkOf(pid, fd);
    } catch {
      return '';
    }
  }
}

const linux: ListeningKernel = {
  networkOf: (pid) => readlinkSync(`/proc/${pid}/ns/net`),
  listenersOf,
  *descriptorsOf(pid) {
    const directory = opendirSync(`/proc/${pid}/fd`);
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry.name;
    } finally {
      directory.closeSync();
    }
  },
  linkOf: (pid, fd) => readlinkSync(`/proc/${pid}/fd/${fd}`),
};

/** Those of this process that look, one after the other. */
let queue: { readonly round: Round; last: Promise<unknown> } | undefined;

/** Takes its turn, and lets others have theirs between its slices. */
function inTurn<T>(looks: (round: Round) => Looks<T>): Promise<T> {
  queue ??= { round: new Round(), last: Promise.resolve() };
  const mine = queue;
  const result = mine.last.then(() => inSlices(looks(mine.round)));
  const over = result.then(
    () => {},
    () => {},
  );
  mine.last = over;
  void over.then(() => {
    if (queue?.last === over) queue = undefined;
  });
  return result;
}

/** Goes on in another turn of the loop whenever it may. */
export async function inSlices<T>(looks: Looks<T>): Promise<T> {
  for (;;) {
    const step = looks.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Milliseconds after which it is looked again: most daemons listen where they did for all of their lives. */
const KEEP = 5000;
/** While it is young, what a daemon does changes. */
const YOUNG = 10_000;
const KEEP_YOUNG = 200;

const NOTHING: Listening = { found: [], cut: false };

/** Remembers for a little while where a daemon listens: looking takes longer than all the rest that `status` asks for. */
export class ListeningCache {
  #at = Number.NEGATIVE_INFINITY;
  #startedAt = 0;
  #last = NOTHING;
  #looking: Promise<void> | undefined;

  /** What the last look has found. */
  get last(): Listening {
    return this.#last;
  }

  /** Another run of the daemon begins. What is being looked up is of the one before. */
  begin(): void {
    this.#at = Number.NEGATIVE_INFINITY;
    this.#startedAt = performance.now();
    this.#last = NOTHING;
    this.#looking = undefined;
  }

  /**
   * Looks again where it is time for that. @param pids of the daemon's processes; asked only when it is looked.
   * @param work carries it out.
   */
  look(pids: () => readonly number[], work: typeof inTurn = inTurn): Promise<void> {
    const now = performance.now();
    // One with so much to look at is dear, however young.
    const keep = now - this.#startedAt < YOUNG && !this.#last.cut ? KEEP_YOUNG : KEEP;
    if (this.#looking !== undefined) return this.#looking;
    if (now - this.#at < keep) return Promise.resolve();
    const looking = work((round) => this.#look(pids, round))
      .then((found) => {
        if (this.#looking !== looking) return;
        this.#last = found ?? { ...this.#last, cut: true };
        if (found !== undefined) this.#at = now;
      })
      .finally(() => {
        if (this.#looking === looking) this.#looking = undefined;
      });
    this.#looking = looking;
    return looking;
  }

  /** @returns undefined: its turn comes with the next question, in which those that were looked at now are not looked at. */
  *#look(pids: () => readonly number[], round: Round): Looks<Listening | undefined> {
    return round.isOver ? undefined : yield* round.look(pids());
  }
}
