import { close, readSync } from 'node:fs';
import { addon, type Poll } from './addon.ts';
import { networkAddon } from './network-native.ts';
import { type RouteEvents, readRouteEvents } from './route-event.ts';

/** What has happened; `lost`: also what nobody knows, because it was too much at once (ENOBUFS). */
export interface HeardEvents extends RouteEvents {
  readonly lost: boolean;
}

type Listener = (events: HeardEvents) => void;

const listeners = new Set<Listener>();
let socket: { readonly fd: number; readonly poll: Poll } | undefined;
const buffer = Buffer.alloc(8192);

/**
 * Listens to what the kernel tells of links and routes, by one socket for all of this process: with one for each app, each
 * start of an app would wake all the others. It does not keep the process alive. @returns a function that ends it.
 */
export function onRouteEvents(listener: Listener): () => void {
  socket ??= open();
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0 || socket === undefined) return;
    const { fd, poll } = socket;
    socket = undefined;
    poll.close();
    close(fd, () => {});
  };
}

function open(): { fd: number; poll: Poll } {
  const fd = networkAddon().watchRoutes();
  const poll = addon().poll(fd, () => hear(fd));
  poll.setAlive(false);
  return { fd, poll };
}

function hear(fd: number): void {
  const events = {
    removed: [] as RouteEvents['removed'][number][],
    links: [] as string[],
    defaultRoute: false,
    lost: false,
  };
  for (let size = read(fd); size !== 0; size = read(fd)) {
    if (size < 0) {
      events.lost = true;
      continue;
    }
    const { removed, links, defaultRoute } = readRouteEvents(buffer.subarray(0, size));
    events.removed.push(...removed);
    events.links.push(...links);
    events.defaultRoute ||= defaultRoute;
  }
  for (const listener of [...listeners]) listener(events);
}

/** @returns 0 where nothing more is to be read, -1 where events were lost. */
function read(fd: number): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOBUFS' ? -1 : 0;
  }
}
