import { closeSync, constants, fstatSync, openSync, readdirSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import type { Paths } from '../../util/paths.ts';
import type { LogDirectory, LogHost } from '../log-host.ts';
import { addon } from './addon.ts';
import { limitedUnit } from './journal-limit.ts';
import { logError } from './log-error.ts';
import { openStore, storeBehind } from './log-store.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

const framed = new Float64Array(2);

/** Logs on Linux: directories behind descriptors, unix datagrams through the addon. */
export const logs: LogHost = {
  directory: openLogDirectory,
  store: openStore,
  storeBehind,
  frame(input, output, at, head, longest, last) {
    addon().frameLines(input, output, at, head.bytes, head.mark, longest, last, framed);
    return { consumed: framed[0]!, written: framed[1]! };
  },
  socket(path) {
    const fd = addon().connectDatagram(path);
    let sending = 0;
    let closed = false;
    const closeIdle = () => {
      if (closed && sending === 0) closeSync(fd);
    };
    return {
      send: (envelope, lines) =>
        new Promise((resolve) => {
          sending++;
          addon().sendLines(fd, envelope, lines, (done, errno) => {
            sending--;
            closeIdle();
            resolve({ done, error: errno === 0 ? undefined : getSystemErrorName(-errno) });
          });
        }),
      close() {
        // The number must not become another file's while a thread sends by it.
        if (closed) return;
        closed = true;
        closeIdle();
      },
    };
  },
  limitedUnit,
  sockets: { journal: '/run/systemd/journal/socket', syslog: '/dev/log' },
};

function openLogDirectory(paths: Paths, app: string): LogDirectory | undefined {
  const path = `${paths.log}/${app}`;
  const directory = told('open the log directory', path, () => {
    const parent = openOrNone(paths.log, O_DIRECTORY);
    if (parent === undefined) return undefined;
    try {
      return openOrNone(`/proc/self/fd/${parent}/${app}`, O_DIRECTORY);
    } finally {
      closeSync(parent);
    }
  });
  return directory === undefined ? undefined : directoryBehind(directory, path);
}

/** @param directory a descriptor, which is its own from here on. */
export function directoryBehind(directory: number, path: string): LogDirectory {
  // What the kernel finds there is this directory, whatever has become of its path.
  const inside = `/proc/self/fd/${directory}`;
  return {
    path,
    fd: directory,
    read: (name) =>
      told('read the log', `${path}/${name}`, () => {
        const fd = openOrNone(`${inside}/${name}`, O_NONBLOCK);
        if (fd === undefined || fstatSync(fd).isFile()) return fd;
        // A FIFO or a device would make the reader wait, or worse.
        closeSync(fd);
        throw Object.assign(new Error('no file'), { code: 'METACTL_NO_FILE' });
      }),
    list: () => told('list the logs', `${path}/`, () => readdirSync(inside)),
    close: () => closeSync(directory),
  };
}

function told<T>(step: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw logError(error, step, path);
  }
}

function openOrNone(path: string, flags: number): number | undefined {
  try {
    return openSync(path, O_RDONLY | O_NOFOLLOW | flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
