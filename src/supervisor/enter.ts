import type { Sandbox, StdioPlan, Terminal, TerminalSize } from '../host/host.ts';
import { freshFirstPid } from '../sandbox/pids.ts';
import type { Identity, ProcessPlan, SandboxPlan } from '../sandbox/plan.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { appRequest } from './app-request.ts';
import type { Prepared } from './prepare.ts';

/** What `exec` and `shell` run, and as whom. */
export interface Entry {
  /** undefined: a shell. */
  readonly argv: readonly string[] | undefined;
  readonly asRoot: boolean;
  /** A one-off sandbox instead of a running daemon's. */
  readonly fresh: boolean;
  /** TERM of the caller's terminal, if it has one. */
  readonly term: string | undefined;
}

/**
 * The administrator's identity inside (DESIGN §7 shell): enough to repair the app's files and end its processes, nothing
 * that reaches the host.
 */
const ADMINISTRATOR: Identity = {
  user: 'root',
  uid: 0,
  gid: 0,
  groups: [],
  capabilities: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETUID'],
};
/** Fixed: what the app's configuration says about PATH must not choose what root runs. */
const ROOT_ENVIRONMENT = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/',
  USER: 'root',
  LOGNAME: 'root',
  SHELL: '/bin/sh',
};

/** The process to run for an entry, from the daemon's own plan. Pure. */
export function planEntry(
  plan: SandboxPlan,
  entry: Entry,
  hasBash: boolean,
): { process: ProcessPlan; identity: Identity } {
  const term = entry.term === undefined || !/^[\w.+-]{1,64}$/.test(entry.term) ? {} : { TERM: entry.term };
  // Start-up files lie in the app's home: they are the app's code, so root reads none.
  const shell = !hasBash ? ['/bin/sh'] : entry.asRoot ? ['/bin/bash', '--noprofile', '--norc'] : ['/bin/bash'];
  const argv = entry.argv ?? shell;
  if (entry.asRoot) {
    const env = { ...ROOT_ENVIRONMENT, ...term };
    return { identity: ADMINISTRATOR, process: { ...plan.process, argv, env, workingDirectory: '/', umask: 0o022 } };
  }
  return { identity: plan.identity, process: { ...plan.process, argv, env: { ...plan.process.env, ...term } } };
}

/** A process entered into a sandbox, and what has to be let go of when it has ended. */
export interface Entered {
  readonly sandbox: Sandbox;
  release(): Promise<void>;
}

/** A sandbox that was found, or will be made, for one entry. */
export interface Door {
  openTerminal(size: TerminalSize): Terminal | Promise<Terminal>;
  enter(io: StdioPlan): Promise<Entered>;
  /** For a door that is not entered. */
  close(): void;
}

/**
 * Finds the running daemon to enter, or plans a fresh sandbox.
 * @throws MetactlError (3) where nothing of the app runs.
 */
export async function findDoor(prepared: Prepared, entry: Entry): Promise<Door> {
  const { host, paths, config, facts } = prepared;
  const hasBash = facts.realPath('/bin/bash') !== undefined;
  if (entry.fresh) {
    return {
      openTerminal: (size) => host.openTerminal(size),
      enter: (io) => enterFresh(prepared, entry, io, hasBash),
      close: () => {},
    };
  }
  const names = prepared.plans.map((plan) => plan.daemon);
  const running = await host.findRunning(paths, config.app, names.length === 1 ? names[0] : undefined);
  if (running === undefined) throw notRunning(config.app, names);
  const plan = prepared.plans.find((candidate) => candidate.daemon === running.daemon) ?? prepared.plans[0]!;
  const { process, identity } = planEntry(plan, entry, hasBash);
  return {
    openTerminal: (size) => running.openTerminal(size),
    async enter(io) {
      const sandbox = running.join(process, identity, io);
      // Its PID 1 is dead but not yet collected: nobody can enter any more.
      const started = sandbox.started.catch((error: unknown) => {
        throw (error as { code?: string }).code === 'ESRCH' ? notRunning(config.app, [running.daemon]) : error;
      });
      const { pid, stdout, stderr, ended } = sandbox;
      const signal = (number: number) => sandbox.signal(number);
      const kill = () => sandbox.kill();
      return { sandbox: { pid, stdout, stderr, started, ended, signal, kill }, release: async () => running.close() };
    },
    close: () => running.close(),
  };
}

async function enterFresh(prepared: Prepared, entry: Entry, io: StdioPlan, hasBash: boolean): Promise<Entered> {
  const template = prepared.plans[0]!;
  const { process: entered, identity } = planEntry(template, entry, hasBash);
  // Its own name for lock, cgroup and live state; the pid makes it unique among those that run.
  const own = { daemon: `exec-${process.pid}`, firstPid: freshFirstPid(process.pid) };
  const plan: SandboxPlan = { ...template, ...own, process: entered, identity };
  const owner = { uid: template.identity.uid, gid: template.identity.gid };
  const app = await prepared.host.openApp({ ...appRequest(prepared, plan), owner });
  try {
    return { sandbox: await app.start(plan, io), release: () => app.close() };
  } catch (error) {
    await app.close();
    throw error;
  }
}

function notRunning(app: string, names: readonly string[]): MetactlError {
  const what = names.length === 1 ? `${app}/${names[0]}` : app;
  return new MetactlError(`${what} is not running`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `start it (metactl run ${app}), or use exec --fresh for a sandbox of its own`,
    exitStatus: EXIT.notRunning,
  });
}
