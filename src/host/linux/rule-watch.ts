import { close, readSync } from 'node:fs';
import { addon, type Poll } from './addon.ts';
import { networkAddon } from './network-native.ts';
import { type Removal, readRemovals } from './nft-answer.ts';

/** Whoever flushes a table takes away many things, one after the other. ms */
const SETTLE = 20;

interface Listener {
  readonly table: string;
  readonly parts: ReadonlySet<string>;
  readonly look: () => void;
  settle: NodeJS.Timeout | undefined;
}

const listeners = new Set<Listener>();
let socket: { readonly fd: number; readonly poll: Poll } | undefined;
const buffer = Buffer.alloc(32 * 1024);

/**
 * Calls `look` soon after a table, or something of these chains and sets of it, was taken away; also where nobody knows what was,
 * because it was too much at once. One socket for all of this process, which it does not keep alive. Where there is none, nothing
 * is heard. @returns a function that ends it.
 */
export function onRulesRemoved(table: string, parts: ReadonlySet<string>, look: () => void): () => void {
  socket ??= open();
  const listener: Listener = { table, parts, look, settle: undefined };
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    clearTimeout(listener.settle);
    if (listeners.size > 0 || socket === undefined) return;
    const { fd, poll } = socket;
    socket = undefined;
    poll.close();
    close(fd, () => {});
  };
}

function open(): typeof socket {
  let fd: number;
  try {
    fd = networkAddon().watchRules();
  } catch {
    // Its supervisor looks at them every few seconds anyway.
    return undefined;
  }
  const poll = addon().poll(fd, () => hear(fd));
  poll.setAlive(false);
  return { fd, poll };
}

function hear(fd: number): void {
  const removals: Removal[] = [];
  let lost = false;
  for (let size = read(fd); size !== 0; size = read(fd)) {
    if (size < 0) lost = true;
    else removals.push(...readRemovals(buffer.subarray(0, size)));
  }
  for (const listener of listeners) if (lost || removals.some((one) => isAbout(listener, one))) soon(listener);
}

function isAbout({ table, parts }: Listener, removal: Removal): boolean {
  return removal.table === table && (removal.from === '' || parts.has(removal.from));
}

function soon(listener: Listener): void {
  listener.settle ??= setTimeout(() => {
    listener.settle = undefined;
    listener.look();
  }, SETTLE).unref();
}

/** @returns 0 where nothing more is to be read, -1 where events were lost. */
function read(fd: number): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOBUFS' ? -1 : 0;
  }
}
