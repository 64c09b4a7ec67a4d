import { opendirSync, readlinkSync } from 'node:fs';
import { type Listener, listenersOf } from './sock-diag.ts';

/**
 * What one look may read, counted in entries of /proc: all that is asked stands still meanwhile, and an app has as many
 * processes and descriptors as it likes. An entry takes some 10 µs.
 */
export const MOST_LOOKS = {
  /** Of one process: what it listens on it mostly opened first, and numbers go up. */
  process: 1024,
  /** Of one daemon. */
  daemon: 2048,
  /** Of all daemons that are asked for in one turn of the loop. */
  turn: 8192,
} as const;

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
  listenersOf(pid: number): { readonly listeners: readonly Listener[]; readonly cut: boolean };
  /** Lazy: not more is read than what is taken. */
  descriptorsOf(pid: number): Iterable<string>;
  linkOf(pid: number, fd: string): string;
}

type Table = ReadonlyMap<string, string>;

/** What is shared by all that is asked in one turn of the loop. Daemons of an app have one network: it is asked once. */
export class Turn {
  readonly #kernel: ListeningKernel;
  readonly #tables = new Map<string, { readonly table: Table; readonly cut: boolean }>();
  #left: number = MOST_LOOKS.turn;

  constructor(kernel: ListeningKernel = linux) {
    this.#kernel = kernel;
  }

  /** Nothing more can be looked up in this turn. */
  get isOver(): boolean {
    return this.#left <= 0;
  }

  /** Where processes listen for TCP connections. A process that ends meanwhile is left out. */
  look(pids: readonly number[]): Listening {
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
      const of = this.#process(pid, Math.min(left, MOST_LOOKS.process), found, seen);
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
  #process(
    pid: number,
    most: number,
    found: Set<string>,
    seen: Map<Table, Set<string>>,
  ): { looks: number; cut: boolean; all: boolean } {
    let looks = 1;
    let cut = false;
    try {
      const { table, cut: more } = this.#tableOf(pid);
      const ours = seen.get(table) ?? new Set();
      seen.set(table, ours);
      for (const fd of table.size === 0 ? [] : this.#kernel.descriptorsOf(pid)) {
        if (looks++ >= most) {
          cut = true;
          break;
        }
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

  #tableOf(pid: number): { readonly table: Table; readonly cut: boolean } {
    const network = this.#kernel.networkOf(pid);
    const known = this.#tables.get(network);
    if (known !== undefined) return known;
    const { listeners, cut } = this.#kernel.listenersOf(pid);
    const made = { table: new Map(listeners.map(({ inode, text }) => [inode, text])), cut };
    this.#tables.set(network, made);
    return made;
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

let shared: Turn | undefined;

function thisTurn(): Turn {
  if (shared === undefined) {
    shared = new Turn();
    setImmediate(() => {
      shared = undefined;
    });
  }
  return shared;
}

/** Milliseconds after which it is looked again: most daemons listen where they did for all of their lives. */
const KEEP = 5000;
/** While it is young, what a daemon does changes. */
const YOUNG = 10_000;
const KEEP_YOUNG = 200;

/** Remembers for a little while where a daemon listens: looking takes longer than all the rest that `status` asks for. */
export class ListeningCache {
  #at = Number.NEGATIVE_INFINITY;
  #startedAt = 0;
  #last: Listening = { found: [], cut: false };

  /** Another run of the daemon begins. */
  begin(): void {
    this.#at = Number.NEGATIVE_INFINITY;
    this.#startedAt = performance.now();
    this.#last = { found: [], cut: false };
  }

  /** @param pids of the daemon's processes; asked only when it is looked. */
  look(pids: () => readonly number[], turn: Turn = thisTurn()): Listening {
    const now = performance.now();
    // One with so much to look at is dear, however young.
    const keep = now - this.#startedAt < YOUNG && !this.#last.cut ? KEEP_YOUNG : KEEP;
    if (now - this.#at < keep) return this.#last;
    // Its turn comes with the next question: those that were looked at now are not looked at then.
    if (turn.isOver) return { ...this.#last, cut: true };
    this.#at = now;
    this.#last = turn.look(pids());
    return this.#last;
  }
}
