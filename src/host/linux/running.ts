import { closeSync, constants, openSync } from 'node:fs';
import type { Identity, ProcessPlan } from '../../sandbox/plan.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import type { RunningDaemon, Sandbox, StdioPlan } from '../host.ts';
import { addon } from './addon.ts';
import { type DaemonCgroup, openDaemonCgroup, openLeaves, type ProbePlace, ProbePlaces } from './cgroup/index.ts';
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
  const places = new ProbePlaces();
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
      const cgroup = openDaemonCgroup(paths, live.app, live.daemon);
      try {
        return joinIn(paths, live, { pidfd, cgroup, counted: cgroup }, process, identity, io);
      } finally {
        cgroup.close();
      }
    },
    probe(process, identity, io) {
      const whole = openDaemonCgroup(paths, live.app, live.daemon);
      let place: ProbePlace | undefined;
      let part: DaemonCgroup | undefined;
      try {
        place = places.take(whole.leaves);
        part = place && openLeaves(place.leaves, []);
        if (part?.leaves.length === 0) throw endedJustNow(live, 'enter cgroup');
        const cgroup = part ?? whole;
        const sandbox = joinIn(paths, live, { pidfd, cgroup, counted: whole }, process, identity, io);
        void sandbox.ended.then(() => place?.release());
        return sandbox;
      } catch (error) {
        place?.release();
        throw error;
      } finally {
        part?.close();
        whole.close();
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
      if (open) {
        closeSync(pidfd);
        places.close();
      }
      open = false;
    },
  };
}

interface Joined {
  readonly pidfd: number;
  /** Where the process is to be: it counts against the daemon's own limits. */
  readonly cgroup: DaemonCgroup;
  /** The daemon's. */
  readonly counted: DaemonCgroup;
}

function joinIn(
  paths: Paths,
  live: LiveState,
  { pidfd, cgroup, counted }: Joined,
  process: ProcessPlan,
  identity: Identity,
  io: StdioPlan,
): Sandbox {
  const user = live.ids && { fd: enterableNamespace(paths, live.app, live.ids.inode), first: live.ids.first };
  try {
    const directory = cgroup.directory === undefined ? {} : { cgroup: cgroup.directory };
    const killsBefore = counted.oomKills();
    const oomKilled = () => counted.oomKills() > killsBefore;
    const target = { pidfd, tasks: cgroup.tasks, ...directory, oomKilled, ...(user === undefined ? {} : { user }) };
    return join(target, process, identity, io);
  } finally {
    if (user !== undefined) closeSync(user.fd);
  }
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
