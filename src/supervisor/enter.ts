import { inspectApp } from '../config/load.ts';
import { requireAppName } from '../config/names.ts';
import type { Sandbox, StdioPlan } from '../host/host.ts';
import { host as hostOfThisMachine } from '../host/index.ts';
import type { Terminal, TerminalSize } from '../host/terminal.ts';
import { platforms } from '../platform/index.ts';
import { withoutNotify } from '../sandbox/notify.ts';
import { freshFirstPid } from '../sandbox/pids.ts';
import type { CgroupLimits, Identity, ProcessPlan, SandboxPlan } from '../sandbox/plan.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { hideInError, secretsOfEnvironment } from '../util/secrets.ts';
import { appRequest } from './app-request.ts';
import { chooseDaemons, type Prepared } from './prepare.ts';

/** What `exec` and `shell` run, and as whom. */
export interface Entry {
  /** undefined: a shell. */
  readonly argv: readonly string[] | undefined;
  readonly asRoot: boolean;
  /** TERM of the caller's terminal, if it has one. */
  readonly term: string | undefined;
}

const BASH = '/bin/bash';

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

/** The process to run for an entry, from the daemon's own. Pure. */
export function planEntry(
  plan: Pick<SandboxPlan, 'process' | 'identity'>,
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
  /** Those that are known: the ones of a sandbox of its own. */
  readonly limits: CgroupLimits;
  release(): Promise<void>;
}

/** A sandbox that was found, or will be made, for one entry. */
export interface Door {
  openTerminal(size: TerminalSize): Terminal | Promise<Terminal>;
  enter(io: StdioPlan): Promise<Entered>;
  /** For a door that is not entered. */
  close(): void;
}

/** A fresh sandbox of a prepared app. */
export function freshDoor(prepared: Prepared, entry: Entry): Door {
  const hasBash = prepared.facts.realPath(BASH) !== undefined;
  return {
    openTerminal: (size) => prepared.host.openTerminal(size),
    enter: (io) => withoutSecrets(prepared.config.secrets, () => enterFresh(prepared, entry, io, hasBash)),
    close: () => {},
  };
}

/**
 * Finds the running daemon to enter. It is entered as it was started: the configuration is read only to tell why there is
 * none, so that a broken one keeps nobody out.
 * @throws MetactlError: 3 nothing of the app runs, 4 no such app, 2 no such daemon or a bad name, 77 needs root.
 */
export async function runningDoor(paths: Paths, app: string, daemon: string | undefined, entry: Entry): Promise<Door> {
  requireAppName(app);
  const host = await hostOfThisMachine();
  const facts = host.facts();
  if (facts.self.uid !== 0) throw needsRoot(app);
  const running = await host.findRunning(paths, app, daemon);
  if (running === undefined) {
    const { config } = inspectApp(paths, app, platforms);
    const names = daemon === undefined ? config.daemons : chooseDaemons(config, daemon);
    throw notRunning(app, names);
  }
  const hasBash = facts.realPath(BASH) !== undefined;
  const { process, identity } = planEntry(running, entry, hasBash);
  return {
    openTerminal: (size) => running.openTerminal(size),
    // Of its configuration nothing is known but its environment.
    enter: (io) =>
      withoutSecrets(secretsOfEnvironment(running.process.env), async () => {
        // Its PID 1 is dead but not yet collected: nobody can enter any more.
        const sandbox = whereStartFails(running.join(process, identity, io), (error) =>
          (error as { code?: string }).code === 'ESRCH' ? notRunning(app, [running.daemon]) : error,
        );
        return { sandbox, limits: {}, release: async () => running.close() };
      }),
    close: () => running.close(),
  };
}

/** Enters, and shows none of these texts in what it says where that fails. */
async function withoutSecrets(secrets: readonly string[], enter: () => Promise<Entered>): Promise<Entered> {
  try {
    const entered = await enter();
    return { ...entered, sandbox: whereStartFails(entered.sandbox, (error) => hideInError(error, secrets)) };
  } catch (error) {
    throw hideInError(error, secrets);
  }
}

/** The same sandbox, with another error where it does not start. */
function whereStartFails(sandbox: Sandbox, other: (error: unknown) => unknown): Sandbox {
  const { pid, stdout, stderr, ended } = sandbox;
  const started = sandbox.started.catch((error: unknown) => {
    throw other(error);
  });
  const signal = (number: number) => sandbox.signal(number);
  const kill = () => sandbox.kill();
  return { pid, stdout, stderr, started, ended, signal, kill };
}

async function enterFresh(prepared: Prepared, entry: Entry, io: StdioPlan, hasBash: boolean): Promise<Entered> {
  // What else runs in such a sandbox does not speak for the daemon.
  const template = withoutNotify(prepared.plans[0]!);
  const { process: entered, identity } = planEntry(template, entry, hasBash);
  // Its own name for lock, cgroup and live state; the pid makes it unique among those that run.
  const own = { daemon: `exec-${process.pid}`, firstPid: freshFirstPid(process.pid) };
  const plan: SandboxPlan = { ...template, ...own, process: entered, identity };
  const app = await prepared.host.openApp(appRequest(prepared, plan));
  try {
    return { sandbox: await app.start(plan, io), limits: plan.limits, release: () => app.close() };
  } catch (error) {
    await app.close();
    throw error;
  }
}

function needsRoot(app: string): MetactlError {
  return new MetactlError(`only root may enter the sandboxes of ${app}`, {
    code: 'METACTL_NEEDS_ROOT',
    hint: 'run it as root',
    exitStatus: EXIT.needsRoot,
  });
}

function notRunning(app: string, names: readonly string[]): MetactlError {
  const what = names.length === 1 ? `${app}/${names[0]}` : app;
  return new MetactlError(`${what} is not running`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `start it (metactl run ${app}), or use exec --fresh for a sandbox of its own`,
    exitStatus: EXIT.notRunning,
  });
}
