import { dependencySettings } from '../config/dependencies.ts';
import type { LoadedConfig, Setting } from '../config/types.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { quoted } from '../util/escape.ts';
import type { Paths } from '../util/paths.ts';

/**
 * What a service manager is told about an app: plain data, from which each manager's own text is made. metactl restarts
 * daemons itself; the manager restarts a supervisor that died, and nothing else.
 */
export interface ServiceModel {
  readonly app: string;
  /** '' for `/`, else four hex digits: part of every name (`Paths.nodeId`). */
  readonly nodeId: string;
  /** Directories that have to be mounted before anything is started. */
  readonly directories: readonly string[];
  /** What a daemon depends on comes before it. */
  readonly services: readonly Service[];
  readonly passThrough: Readonly<Record<PassThroughSection, readonly Directive[]>>;
}

/** One supervisor: what the manager starts. */
export interface Service {
  /** Undefined: all daemons of the app. */
  readonly daemon: string | undefined;
  /** `shop/web`, `shop` */
  readonly label: string;
  /** Program (absolute) and arguments, run as root. */
  readonly command: readonly string[];
  readonly reload: readonly string[];
  /** Daemons whose services have to be up before. */
  readonly dependsOn: readonly string[];
  /** Milliseconds that a start and a stop may take; Infinity: any time. */
  readonly startTimeout: number;
  readonly stopTimeout: number;
  /** Milliseconds without a sign of life after which the supervisor itself hangs. */
  readonly watchdog: number | undefined;
}

export const PASS_THROUGH = ['Unit', 'Service', 'Install'] as const;
export type PassThroughSection = (typeof PASS_THROUGH)[number];

export interface Directive {
  readonly name: string;
  readonly value: string;
}

/**
 * Exit statuses of `run --unit` that say that another start would not help: the policy gave up, root is needed, the
 * configuration is wrong (DESIGN §7).
 */
export const FINAL_STATUSES = [EXIT.gaveUp, EXIT.needsRoot, EXIT.configuration] as const;
/** Milliseconds until a supervisor that died is started again. */
export const RESTART_PAUSE = 1000;
/** Milliseconds that a manager waits longer than metactl does, which then can tell what went wrong. */
export const MARGIN = 5000;

/**
 * Pure. @param program how this metactl is called: an absolute path, and first arguments where it needs some.
 * @throws MetactlError METACTL_CONFIGURATION (78) for a directive that can't stand in a unit.
 */
export function serviceModel(config: LoadedConfig, paths: Paths, program: readonly string[]): ServiceModel {
  const call = paths.root === '/' ? program : [...program, '--root', paths.root];
  const order = inOrder(config);
  const service = (daemon: string | undefined): Service => {
    const words = daemon === undefined ? [config.app] : [config.app, daemon];
    const daemons = daemon === undefined ? order : [daemon];
    return {
      daemon,
      label: words.join('/'),
      command: [...call, 'run', '--unit', ...words],
      reload: [...call, 'reload', ...words],
      dependsOn: daemon === undefined ? [] : dependenciesOf(config, daemon),
      startTimeout: longestPath(config, daemons, (name) => milliseconds(config, name, 'ready.timeout')) + MARGIN,
      stopTimeout: longestPath(config, daemons, (name) => milliseconds(config, name, 'timeout-stop-sec')) + MARGIN,
      watchdog: watchdogOf(config, daemons),
    };
  };
  const single = config.text('service', 'unit') === 'app';
  if (!single && order.length > 1) requireOneAlias(config);
  return {
    app: config.app,
    nodeId: paths.nodeId,
    directories: [...new Set([paths.etc, paths.lib, config.setting('app', 'directory')?.text ?? paths.lib])],
    services: single ? [service(undefined)] : order.map(service),
    passThrough: {
      Unit: directives(config, 'Unit'),
      Service: directives(config, 'Service'),
      Install: directives(config, 'Install'),
    },
  };
}

function milliseconds(config: LoadedConfig, daemon: string, key: string): number {
  return config.number(`daemon.${daemon}`, key) ?? 0;
}

/** The largest: a supervisor of several daemons may be as long without news as the slowest of them. */
function watchdogOf(config: LoadedConfig, daemons: readonly string[]): number | undefined {
  const all = daemons.flatMap((daemon) => config.number(`daemon.${daemon}`, 'watchdog-sec') ?? []);
  return all.length === 0 ? undefined : Math.max(...all) + MARGIN;
}

function dependenciesOf(config: LoadedConfig, daemon: string): readonly string[] {
  const section = `daemon.${daemon}`;
  const found = dependencySettings(new Map([[section, config.section(section)]])).get(daemon);
  return [...(found?.keys() ?? [])].filter((other) => config.daemons.includes(other));
}

/** What a daemon depends on first; else as they stand in the files. Circles have been refused. */
function inOrder(config: LoadedConfig): readonly string[] {
  const done = new Set<string>();
  const visit = (daemon: string): void => {
    if (done.has(daemon)) return;
    for (const other of dependenciesOf(config, daemon)) visit(other);
    done.add(daemon);
  };
  for (const daemon of config.daemons) visit(daemon);
  return [...done];
}

/** Daemons that depend on each other start and stop one after the other; the others side by side. */
function longestPath(config: LoadedConfig, daemons: readonly string[], cost: (daemon: string) => number): number {
  const total = (daemon: string): number => {
    const before = dependenciesOf(config, daemon).filter((other) => daemons.includes(other));
    return cost(daemon) + Math.max(0, ...before.map(total));
  };
  return Math.max(0, ...daemons.map(total));
}

function directives(config: LoadedConfig, section: PassThroughSection): readonly Directive[] {
  return config.section(`systemd.${section}`).map((setting) => {
    const problem = directiveProblem(setting);
    if (problem === undefined) return { name: setting.key, value: setting.text };
    const { file, line, column } = setting.origin;
    throw new MetactlError(`${file}:${line}:${column}: found ${problem} in [systemd.${section}] ${setting.key}`, {
      code: 'METACTL_CONFIGURATION',
      step: 'make the units',
      hint: problem === SECRET ? 'units can be read by everybody; set it in [env]' : 'write it another way',
      exitStatus: EXIT.configuration,
    });
  });
}

/** systemd gives a name to one unit only, and would stop half way. A specifier may make it another one for each. */
function requireOneAlias(config: LoadedConfig): void {
  const alias = config.section('systemd.Install').find(({ key, text }) => key === 'Alias' && /^[^%]+$/.test(text));
  if (alias === undefined) return;
  const { file, line, column } = alias.origin;
  throw new MetactlError(`${file}:${line}:${column}: found the same Alias for several units, expected one with %N`, {
    code: 'METACTL_CONFIGURATION',
    step: 'make the units',
    hint: 'write %N where the name of each unit is to be, or set `[service] unit = app`',
    exitStatus: EXIT.configuration,
  });
}

const SECRET = 'a secret';

/** A line that ends in a backslash would take the next one along, a line break would begin a directive of its own. */
function directiveProblem({ text, secret, masked }: Setting): string | undefined {
  if (secret || (masked ?? text) !== text) return SECRET;
  const control = /[\x00-\x08\x0a-\x1f\x7f]/.exec(text)?.[0];
  if (control !== undefined) return `the character ${quoted(control)}`;
  return text.endsWith('\\') ? 'a \\ at the end' : undefined;
}
