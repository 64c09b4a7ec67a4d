import { closeSync, constants, openSync } from 'node:fs';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import type { RunningDaemon } from '../host.ts';
import { addon } from './addon.ts';
import { openDaemonCgroup } from './cgroup/index.ts';
import { connectIn } from './connect.ts';
import { verifyIdentity } from './identity.ts';
import { join } from './join.ts';
import { type EntryState, type LiveState, liveDaemons, readEntry, readLive } from './live.ts';
import { openPidfd } from './predecessor.ts';
import { openTerminal } from './pty.ts';
import { enterableNamespace } from './user-namespace.ts';

/** See Host.findRunning: the named daemon, or the app's first one that runs. */
export async function findRunning(paths: Paths, app: string, daemon?: string): Promise<RunningDaemon | undefined> {
  const candidates = daemon === undefined ? liveDaemons(paths, app) : [daemon];
  for (const name of candidates) {
    const live = readLive(paths, app, name);
    if (live === undefined) continue;
    const pidfd = openPidfd(live.pid);
    if (pidfd === undefined) continue;
    // Written before the live state, and for each start anew: where it doesn't fit, the daemon is just being started again.
    const entry = verifyIdentity(pidfd, live) ? readEntry(paths, live) : undefined;
    if (entry !== undefined) return runningDaemon(paths, live, entry, pidfd);
    closeSync(pidfd);
  }
  return undefined;
}

function runningDaemon(paths: Paths, live: LiveState, entry: EntryState, pidfd: number): RunningDaemon {
  let open = true;
  return {
    app: live.app,
    daemon: live.daemon,
    pid: live.pid,
    process: entry.process,
    identity: entry.identity,
    address: live.address,
    addresses: live.address === undefined ? [] : [live.address],
    openTerminal(size) {
      // The sandbox's /dev is sealed and made by us: nothing the app does can steer this path. The pid may only have been
      // reused if the pidfd's process is gone, so it is looked at again with the file open.
      const ptmx = openSync(`/proc/${live.pid}/root/dev/pts/ptmx`, constants.O_RDWR | constants.O_NOCTTY);
      if (verifyIdentity(pidfd, live)) return openTerminal(size, ptmx);
      closeSync(ptmx);
      throw endedJustNow(live, 'open terminal');
    },
    join(process, identity, io) {
      // The joiner counts against the daemon's own limits.
      const user = live.ids && { fd: enterableNamespace(paths, live.app, live.ids.inode), first: live.ids.first };
      const cgroup = openDaemonCgroup(paths, live.app, live.daemon);
      try {
        const directory = cgroup.directory === undefined ? {} : { cgroup: cgroup.directory };
        const killsBefore = cgroup.oomKills();
        const oomKilled = () => cgroup.oomKills() > killsBefore;
        return join(
          { pidfd, tasks: cgroup.tasks, ...directory, oomKilled, ...(user === undefined ? {} : { user }) },
          process,
          identity,
          io,
        );
      } finally {
        cgroup.close();
        if (user !== undefined) closeSync(user.fd);
      }
    },
    connect(address, port) {
      const netns = openNetwork(live, pidfd);
      try {
        return connectIn(netns, address, port);
      } finally {
        closeSync(netns);
      }
    },
    becomeInNetwork(file, argv, env) {
      const netns = openNetwork(live, pidfd);
      try {
        const environment = Object.entries(env).flatMap(([name, value]) =>
          value === undefined ? [] : [`${name}=${value}`],
        );
        addon().execInNetns(netns, file, argv, environment);
      } finally {
        closeSync(netns);
      }
      throw new MetactlError(`${file} was not executed`, { code: 'METACTL_EXEC', step: 'run the program', path: file });
    },
    close() {
      if (open) closeSync(pidfd);
      open = false;
    },
  };
}

/** Of PID 1, which no app can make join another. With the descriptor open, the pid is looked at again. */
function openNetwork(live: LiveState, pidfd: number): number {
  const netns = openSync(`/proc/${live.pid}/ns/net`, constants.O_RDONLY);
  if (verifyIdentity(pidfd, live)) return netns;
  closeSync(netns);
  throw endedJustNow(live, 'enter network namespace');
}

function endedJustNow(live: LiveState, step: string): MetactlError {
  return new MetactlError(`${live.app}/${live.daemon} ended just now`, {
    code: 'METACTL_NOT_RUNNING',
    step,
    hint: 'try again when it runs',
    exitStatus: EXIT.notRunning,
  });
}
