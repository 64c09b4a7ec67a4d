import { readdirSync, readlinkSync } from 'node:fs';
import { listenersOf } from './sock-diag.ts';

/** Descriptors of one process that are looked at: one with more of them is no place to look for a few listeners. */
const MOST_DESCRIPTORS = 10_000;

/**
 * Where processes listen for TCP connections, without doubles, in the order in which they are found. A process that ends
 * meanwhile is left out.
 */
export function listeningOf(pids: readonly number[]): string[] {
  const tables = tablesOfThisTurn();
  const found = new Set<string>();
  for (const pid of pids) {
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/net`);
      const table = tables.get(namespace) ?? tableOf(pid);
      tables.set(namespace, table);
      if (table.size === 0) continue;
      for (const fd of readdirSync(`/proc/${pid}/fd`).slice(0, MOST_DESCRIPTORS)) {
        const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
        const text = inode === undefined ? undefined : table.get(inode);
        if (text !== undefined) found.add(text);
      }
    } catch {
      // It ended, or the kernel can't tell.
    }
  }
  return [...found];
}

type Table = ReadonlyMap<string, string>;

let shared: Map<string, Table> | undefined;

/** By network namespace. One request asks for all daemons of an app, and these have one network: it is asked once. */
function tablesOfThisTurn(): Map<string, Table> {
  if (shared === undefined) {
    shared = new Map();
    setImmediate(() => {
      shared = undefined;
    });
  }
  return shared;
}

function tableOf(pid: number): Table {
  return new Map(listenersOf(pid).map(({ inode, text }) => [inode, text]));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
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
  #found: readonly string[] = [];

  /** Another run of the daemon begins. */
  begin(): void {
    this.#at = Number.NEGATIVE_INFINITY;
    this.#startedAt = performance.now();
    this.#found = [];
  }

  /** @param pids of the daemon's processes; asked only when it is looked. */
  look(pids: () => readonly number[]): readonly string[] {
    const now = performance.now();
    const keep = now - this.#startedAt < YOUNG ? KEEP_YOUNG : KEEP;
    if (now - this.#at >= keep) {
      this.#at = now;
      this.#found = listeningOf(pids());
    }
    return this.#found;
  }
}
