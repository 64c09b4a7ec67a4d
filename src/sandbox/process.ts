import { isAbsolute, join } from 'node:path';
import { parseLimit } from '../config/limit.ts';
import type { AppConfig } from '../config/types.ts';
import type { HostFacts } from '../host/host.ts';
import type { CommandLine } from '../platform/platform.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { notifyEnvironment } from './notify.ts';
import type { Identity, ProcessPlan } from './plan.ts';
import type { SeccompOptions } from './seccomp/index.ts';
import type { SharedParts } from './shared-parts.ts';

const PATH = '/usr/local/bin:/usr/bin:/bin';

/** The limits of setrlimit(2), by the names of `/proc/PID/limits`' keys in lower case. */
export const RLIMITS = [
  'cpu',
  'fsize',
  'data',
  'stack',
  'core',
  'rss',
  'nproc',
  'nofile',
  'memlock',
  'as',
  'locks',
  'sigpending',
  'msgqueue',
  'nice',
  'rtprio',
  'rttime',
] as const;

/** systemd's default: select(2) breaks above 1024 and the hard limit lets programs that know better raise it. */
const NOFILE: readonly [number, number] = [1024, 524288];

export interface ProcessInput {
  readonly config: AppConfig;
  readonly daemon: string;
  readonly command: CommandLine;
  readonly identity: Identity;
  readonly facts: HostFacts;
  /** Path of its notify socket, as the daemon sees it. */
  readonly notifySocket?: string;
  readonly seccompProgram: (arch: string, options: SeccompOptions) => Uint8Array;
  readonly sharedParts: SharedParts;
}

/**
 * What the daemon's own process looks like. Pure.
 * @throws MetactlError where this architecture has no filter, or `allow-syscalls` names what can't be allowed; (78):
 *   METACTL_LIMIT_TOO_HIGH.
 */
export function planProcess(input: ProcessInput): ProcessPlan {
  const { config, daemon, command } = input;
  const section = `daemon.${daemon}`;
  const seccomp = config.text('sandbox', 'seccomp') === 'none' ? 'none' : 'default';
  const [program = '', ...rest] = command.argv;
  return {
    argv: [program.includes('/') && !isAbsolute(program) ? join(config.directory, program) : program, ...rest],
    env: environment(input),
    workingDirectory: config.text(section, 'working-directory') ?? config.directory,
    umask: config.number(section, 'umask') ?? 0o022,
    nice: config.number(section, 'nice') ?? 0,
    oomScoreAdj: config.number(section, 'oom-score-adj') ?? 0,
    rlimits: sharedRlimits(input, section),
    seccomp,
    ...(seccomp === 'none' ? { seccompProgram: new Uint8Array() } : filter(input)),
    noNewPrivs: true,
  };
}

function filter({
  config,
  facts,
  seccompProgram,
}: ProcessInput): Pick<ProcessPlan, 'allowSyscalls' | 'logSyscalls' | 'seccompProgram'> {
  const log = config.flag('sandbox', 'log-syscalls') === true ? { logSyscalls: true as const } : {};
  const setting = config.setting('sandbox', 'allow-syscalls');
  const allow = config.words('sandbox', 'allow-syscalls') ?? [];
  if (setting === undefined || allow.length === 0) return { ...log, seccompProgram: seccompProgram(facts.arch, {}) };
  const where = `${setting.origin.file}:${setting.origin.line}: [sandbox] allow-syscalls: `;
  return { ...log, allowSyscalls: allow, seccompProgram: seccompProgram(facts.arch, { allow, where }) };
}

/** Built from nothing: what the administrator's shell or systemd has set must not reach the app. */
function environment({ config, daemon, command, identity, notifySocket }: ProcessInput): Record<string, string> {
  return {
    PATH,
    HOME: config.stateDirectory,
    USER: identity.user,
    LOGNAME: identity.user,
    SHELL: '/bin/sh',
    LANG: 'C.UTF-8',
    STATE_DIRECTORY: config.stateDirectory,
    LOGS_DIRECTORY: config.logDirectory,
    ...command.env,
    ...config.environment(daemon),
    ...(notifySocket === undefined ? {} : notifyEnvironment(config, daemon, notifySocket)),
  };
}

/** One for all daemons that set none of their own. */
function sharedRlimits({ config, facts, sharedParts }: ProcessInput, section: string): ProcessPlan['rlimits'] {
  const make = () => rlimits(config, section, facts);
  const own = config.section(section).some(({ key }) => key.startsWith('limit-'));
  return own ? make() : sharedParts.once('rlimits', make);
}

function rlimits(config: AppConfig, section: string, facts: HostFacts): Record<string, readonly [number, number]> {
  const limits: Record<string, readonly [number, number]> = {};
  for (const name of RLIMITS) {
    const own = facts.rlimits[name] ?? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    // Never above what we have ourselves: in a container root may not raise it.
    const fallback = name === 'nofile' ? ([Math.min(NOFILE[0], own[1]), Math.min(NOFILE[1], own[1])] as const) : own;
    // The built-in default is for machines that allow it; only a written value is insisted on.
    const text = config.setting(section, `limit-${name}`)?.text;
    limits[name] = (text === undefined ? undefined : parseLimit(name, text)) ?? fallback;
  }
  checkOpenFiles(config, section, limits.nofile![1], facts);
  return limits;
}

/** Not even root gets more open files than the sysctl says (kernel/sys.c: do_prlimit). */
function checkOpenFiles(config: AppConfig, section: string, hard: number, facts: HostFacts): void {
  const setting = config.setting(section, 'limit-nofile');
  const most = Number.parseInt(facts.read('/proc/sys/fs/nr_open'), 10);
  if (setting === undefined || !(hard > most)) return;
  const where = `${setting.origin.file}:${setting.origin.line}: [${section}] limit-nofile`;
  throw new MetactlError(
    `${where}: found \`${setting.text}\`, expected at most ${most}, the sysctl fs.nr_open of this server`,
    {
      code: 'METACTL_LIMIT_TOO_HIGH',
      step: 'plan resource limits',
      path: setting.origin.file,
      hint: 'lower it, or raise the sysctl',
      exitStatus: EXIT.configuration,
    },
  );
}
