import { MetactlError } from '../util/error.ts';
import type { Control, InstalledApp, RunStep, ServiceManager, UnitState } from './manager.ts';
import { unitsFor } from './manager.ts';
import { type Directive, FINAL_STATUSES, RESTART_PAUSE, type Service, type ServiceModel } from './model.ts';
import { hashComment, type ServiceFile, seal } from './service-file.ts';
import { escapeName, execLine, pathList, timeSpan } from './systemd-quote.ts';

/**
 * systemd: one unit of `Type=notify` per supervisor, which passes on what it knows of the app; per app a target, which boot
 * starts, and a slice.
 */
export const systemd: ServiceManager = {
  name: 'systemd',
  directory: '/etc/systemd/system',
  files(model) {
    const names = namesOf(model.app, model.nodeId);
    const origin = `metactl install ${model.app}`;
    const file = (name: string, text: string): ServiceFile => ({
      name,
      text: seal(text, origin, hashComment),
      mode: 0o644,
    });
    return [
      ...model.services.map((service) => file(names.service(service.daemon), serviceText(model, service))),
      file(names.slice, section('Unit', [['Description', `metactl: what runs of ${model.app}`]])),
      file(names.target, targetText(model.app)),
    ];
  },
  find(names, app, nodeId) {
    const { prefix, slice, target } = namesOf(app, nodeId);
    const units = names.flatMap((unit): InstalledApp['units'] => {
      if (!unit.startsWith(prefix) || !unit.endsWith('.service')) return [];
      const daemon = unit.slice(prefix.length, -'.service'.length);
      if (unit === `${prefix}service`) return [{ daemon: undefined, unit }];
      return /^[a-z][a-z0-9-]*$/.test(daemon) ? [{ daemon, unit }] : [];
    });
    const others = [slice, target].filter((name) => names.includes(name));
    return { app, nodeId, units, files: [...units.map(({ unit }) => unit), ...others].sort() };
  },
  isRelinked({ name, before, after }, names) {
    if (after === undefined || installPart(before) === installPart(after.text)) return false;
    const [node, app] = name.split('.');
    // Whatever else its [Install] says, its app wants it.
    return names.includes(`${node}.${app}.target.wants/${name}`);
  },
  linksTo,
  isDisabled({ app, nodeId, files }, names) {
    // Without it nothing was ever enabled.
    if (!files.includes(namesOf(app, nodeId).target)) return false;
    return files.every((name) => linksTo(name, names).length === 0);
  },
  control: systemctl(),
};

function linksTo(name: string, names: readonly string[]): readonly string[] {
  return names.filter((one) => one.endsWith(`.wants/${name}`));
}

/** Where `systemctl enable` has put links. Pure. */
function installPart(text = ''): string {
  return text.slice(text.indexOf('\n[Install]\n'));
}

/** Unit names of an app; a slice's dashes name its parents, so an app's own are escaped (DESIGN §2). Pure. */
export function namesOf(app: string, nodeId: string) {
  const node = nodeId === '' ? 'metactl' : `metactl-${nodeId}`;
  const prefix = `${node}.${app}.`;
  return {
    prefix,
    target: `${prefix}target`,
    slice: `${escapeName(node)}-${escapeName(app)}.slice`,
    service: (daemon: string | undefined) => (daemon === undefined ? `${prefix}service` : `${prefix}${daemon}.service`),
  };
}

function serviceText(model: ServiceModel, service: Service): string {
  const names = namesOf(model.app, model.nodeId);
  const before = service.dependsOn.map(names.service);
  const unit: Entry[] = [
    ['Description', `metactl: ${service.label}`],
    ['Wants', 'network-online.target'],
    ['After', ['network-online.target', 'remote-fs.target', 'nss-user-lookup.target', ...before].join(' ')],
    ...(before.length === 0 ? [] : [['Requires', before.join(' ')] as const]),
    ['PartOf', names.target],
    ['RequiresMountsFor', pathList(model.directories)],
    // A supervisor that dies is started again for ever: why it dies may pass.
    ['StartLimitIntervalSec', '0'],
  ];
  const main: Entry[] = [
    ['Type', 'notify'],
    ['NotifyAccess', 'main'],
    ['ExecStart', execLine(service.command)],
    ['ExecReload', execLine(service.reload)],
    ['Slice', names.slice],
    ['Delegate', 'yes'],
    ['KillMode', 'mixed'],
    // journald would lose lines silently, of all daemons of the unit. It keeps its own limits of size. Not 0: systemd takes that
    // for unset and tells journald nothing (src/core/unit.c, unit_export_log_ratelimit_interval). No limit is ever met in 1 µs.
    ['LogRateLimitIntervalSec', '1us'],
    // metactl restarts the daemon; this is for metactl's own death.
    ['Restart', 'on-failure'],
    ['RestartSec', timeSpan(RESTART_PAUSE)],
    ['RestartPreventExitStatus', FINAL_STATUSES.join(' ')],
    ['TimeoutStartSec', timeSpan(service.startTimeout)],
    ['TimeoutStopSec', timeSpan(service.stopTimeout)],
    ...(service.watchdog === undefined ? [] : [['WatchdogSec', timeSpan(service.watchdog)] as const]),
  ];
  const { Unit, Service: own, Install } = model.passThrough;
  return [
    section('Unit', [...unit, ...Unit.map(entry)]),
    section('Service', [...main, ...own.map(entry)]),
    section('Install', [['WantedBy', names.target], ...Install.map(entry)]),
  ].join('\n');
}

function targetText(app: string): string {
  return [
    section('Unit', [['Description', `metactl: all daemons of ${app}`]]),
    section('Install', [['WantedBy', 'multi-user.target']]),
  ].join('\n');
}

type Entry = readonly [name: string, value: string];
const entry = ({ name, value }: Directive): Entry => [name, value];

function section(name: string, entries: readonly Entry[]): string {
  return `[${name}]\n${entries.map(([key, value]) => `${key}=${value}\n`).join('')}`;
}

const SHOWN = [
  ...[
    'Id',
    'ActiveState',
    'SubState',
    'UnitFileState',
    'MainPID',
    'Result',
    'ExecMainStatus',
    'StatusText',
    'Requires',
  ],
  ...['TimeoutStartUSec', 'ExecMainStartTimestampMonotonic', 'ActiveEnterTimestampMonotonic'],
].join();

function systemctl(): Control {
  const step = (...words: readonly string[]): RunStep => ({ argv: ['systemctl', ...words] });
  const targetOf = ({ app, nodeId, files }: InstalledApp) => {
    const { target } = namesOf(app, nodeId);
    return files.includes(target) ? [target] : [];
  };
  /** With the target, where all daemons are meant. */
  const meant = (app: InstalledApp, daemon: string | undefined) =>
    daemon === undefined ? [...targetOf(app), ...unitsFor(app, undefined)] : unitsFor(app, daemon);
  const blocking = (wait: boolean) => (wait ? [] : ['--no-block']);
  return {
    installed(apps, { added, enable, relinked, disabled }) {
      const enabled = apps.flatMap((app) => {
        const all = meant(app, undefined).filter((unit) => !disabled.has(unit));
        // Without its target nothing of the app was started at boot, whatever links there are.
        return all.filter((unit) => enable && (added.has(unit) || targetOf(app).some((target) => added.has(target))));
      });
      return [
        ...(enabled.length === 0 ? [] : [step('--no-reload', 'enable', ...enabled)]),
        // Its links are those of the [Install] section that was.
        ...(relinked.length === 0 ? [] : [step('--no-reload', 'reenable', ...relinked)]),
        step('daemon-reload'),
      ];
    },
    reread: () => [step('daemon-reload')],
    removing(app, only) {
      const gone = only ?? meant(app, undefined);
      const { slice } = namesOf(app.app, app.nodeId);
      // What was in it has ended; else it would stay, active and empty, until the next boot.
      const slices = only === undefined && app.files.includes(slice) ? [step('stop', slice)] : [];
      if (gone.length === 0) return [];
      // 1: it knows of no failure of one of them.
      const forget = { ...step('reset-failed', ...gone), accept: [1] };
      return [step('stop', ...gone), ...slices, forget, step('--no-reload', 'disable', ...gone)];
    },
    removed: () => [step('daemon-reload')],
    enable: (app, daemon) => [step('enable', ...targetOf(app), ...unitsFor(app, daemon))],
    disable: (app, daemon) => [step('disable', ...meant(app, daemon))],
    start: (app, daemon, wait) => [step(...blocking(wait), 'start', ...meant(app, daemon))],
    stop: (app, daemon, wait) => [step(...blocking(wait), 'stop', ...meant(app, daemon))],
    restart: (app, daemon, wait) => [step(...blocking(wait), 'restart', ...unitsFor(app, daemon))],
    query: (app) => step('show', `--property=${SHOWN}`, '--', ...unitsFor(app, undefined)),
    states,
    knowsReady: true,
  };
}

const STATES: Readonly<Record<string, UnitState['state']>> = {
  active: 'running',
  reloading: 'reloading',
  activating: 'starting',
  deactivating: 'stopping',
  inactive: 'stopped',
  failed: 'failed',
};

/** Reads `systemctl show`: a block of `Name=value` lines per unit, an empty line between them. Pure. */
export function readShown(
  output: string,
): readonly { readonly block: string; readonly facts: ReadonlyMap<string, string> }[] {
  const blocks = output.split('\n\n').filter((block) => block.trim() !== '');
  return blocks.map((block) => {
    const pairs = block.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    });
    return { block, facts: new Map(pairs) };
  });
}

/** Units of metactl that one requires. Pure. */
export function needsIn(facts: ReadonlyMap<string, string>): readonly string[] {
  return facts.get('Requires')?.split(' ').filter(isOurs) ?? [];
}

function states(output: string): readonly UnitState[] {
  return readShown(output).map(({ block, facts }) => {
    const unit = facts.get('Id');
    const state = STATES[facts.get('ActiveState') ?? ''];
    if (unit === undefined || state === undefined) throw unexpected(block);
    const pid = Number(facts.get('MainPID'));
    const file = facts.get('UnitFileState');
    const reason = state === 'failed' || state === 'starting' ? reasonOf(facts) : undefined;
    const needs = needsIn(facts);
    return {
      ...{ unit, state },
      ...(file === 'enabled' || file === 'disabled' ? { enabled: file === 'enabled' } : {}),
      ...(pid > 0 ? { pid } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(state !== 'running' && facts.get('Result') === 'timeout' ? { timedOut: true as const } : {}),
      ...(needs.length === 0 ? {} : { needs }),
    };
  });
}

const isOurs = (unit: string) => /^metactl.*\.service$/.test(unit);

/**
 * `Result=` of a main process that did not end by itself (systemd.service(5), $SERVICE_RESULT). The watchdog kills, too, but the words
 * before it tell why.
 */
const KILLED: readonly string[] = ['signal', 'core-dump', 'oom-kill'];

/** The supervisor's own words, else systemd's. */
function reasonOf(facts: ReadonlyMap<string, string>): string | undefined {
  // Its last words are about the stop that followed.
  if (wasNeverReady(facts)) return `not ready in time (TimeoutStartSec=${facts.get('TimeoutStartUSec')})`;
  const result = facts.get('Result');
  // What was killed had no time for last words: those there are tell of a time when it ran.
  if (KILLED.includes(result ?? '')) return `its supervisor was killed (${result})`;
  const text = facts.get('StatusText');
  if (result === 'watchdog') return `watchdog${text === undefined || text === '' ? '' : `: it was ${text}`}`;
  if (text !== undefined && text !== '') return text;
  if (result === undefined || result === 'success') return undefined;
  if (result !== 'exit-code') return result;
  // A drop-in's ExecStartPre=, say.
  const status = facts.get('ExecMainStatus');
  return status === '0' ? 'a control process of its unit failed' : `exit status ${status}`;
}

/** A stop that takes too long is a `timeout`, too: then it was up in this run (or, 0, never). */
function wasNeverReady(facts: ReadonlyMap<string, string>): boolean {
  const [began, entered] = ['ExecMainStartTimestampMonotonic', 'ActiveEnterTimestampMonotonic'].map((name) =>
    Number(facts.get(name) ?? Number.NaN),
  );
  return facts.get('Result') === 'timeout' && began! > entered!;
}

function unexpected(block: string): MetactlError {
  return new MetactlError(`systemctl show gave no answer that helps: ${block.slice(0, 200)}`, {
    code: 'METACTL_SYSTEMD',
    step: 'ask systemd',
    hint: 'see what `systemctl show` prints',
  });
}
