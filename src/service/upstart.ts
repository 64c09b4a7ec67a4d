import { MetactlError } from '../util/error.ts';
import { dottedName, findDotted } from './dotted.ts';
import type { Control, InstalledApp, RunStep, ServiceManager, Step, UnitState } from './manager.ts';
import { unitsFor } from './manager.ts';
import { FINAL_STATUSES, RESTART_PAUSE, type Service, type ServiceModel } from './model.ts';
import { isManual, withManual, withoutManual } from './override.ts';
import { hashComment, seal } from './service-file.ts';
import { shellLine } from './shell-quote.ts';

const DIRECTORY = '/etc/init';
/** Seconds that stand for "any time": a year. Upstart knows no other word for it. */
const ALWAYS = 31_536_000;

/**
 * Upstart: one job per supervisor. Before 1.4 (RHEL 6 has 0.6.5) there is no `console log`, before 1.3 no `.override`.
 * @param version `0.6.5`, `1.12.1`
 */
export function upstart(version: string): ServiceManager {
  const old = isOldUpstart(version);
  return {
    name: 'upstart',
    directory: DIRECTORY,
    files: (model) =>
      model.services.map((service) => ({
        name: `${dottedName(model.app, model.nodeId, service.daemon)}.conf`,
        text: seal(appJob(model, service, old), `metactl install ${model.app}`, hashComment),
        mode: 0o644,
      })),
    find(names, app, nodeId) {
      return findDotted(names, app, nodeId, ['.conf']);
    },
    isDisabled({ units }, names, textOf) {
      if (old || units.length === 0) return false;
      const overrides = units.map(({ unit }) => `${unit}.override`);
      return overrides.every((name) => names.includes(name) && isManual(textOf(name)));
    },
    control: initctl(old),
  };
}

/** Whether it is one before 1.4. Pure. */
export function isOldUpstart(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < 1 || (major === 1 && minor < 4);
}

function appJob(model: ServiceModel, service: Service, old: boolean): string {
  const name = (daemon: string | undefined) => dottedName(model.app, model.nodeId, daemon);
  return jobText(service, name(service.daemon), service.dependsOn.map(name), old);
}

/**
 * Every Upstart has a job `rc`, whose start waits until all that stops on `starting rc` has ended. On `runlevel [!2345]` both would go on
 * side by side: RHEL 6 takes the network away meanwhile and kills all processes five seconds later, and Ubuntu spares only the main
 * processes of jobs, not the daemons.
 */
const SHUTDOWN = 'starting rc RUNLEVEL=[!2345]';

/** One job. Pure. @param name of it, and of those that have to be up before. */
export function jobText(service: Service, name: string, before: readonly string[], old: boolean): string {
  // RHEL 6 starts its runlevels by a job of its own, `rc`.
  const boot = old ? 'stopped rc RUNLEVEL=[2345]' : 'runlevel [2345]';
  const started = before.map((job) => `started ${job}`);
  const stopping = before.map((job) => `stopping ${job}`);
  const log = `/var/log/${name}.log`;
  const lines = [
    `description "metactl: ${service.label}"`,
    `start on ${started.length === 0 ? boot : any(started, 'and')}`,
    `stop on ${any([...stopping, SHUTDOWN], 'or')}`,
    '# metactl restarts the daemon; this is for the death of metactl itself.',
    'respawn',
    'respawn limit unlimited',
    `normal exit 0 ${FINAL_STATUSES.join(' ')}`,
    `post-stop exec sleep ${RESTART_PAUSE / 1000}`,
    `kill timeout ${Number.isFinite(service.stopTimeout) ? Math.ceil(service.stopTimeout / 1000) : ALWAYS}`,
    ...(old
      ? ['script', `  exec >>${log} 2>&1`, `  exec ${shellLine(service.command)}`, 'end script']
      : ['console log', `exec ${shellLine(service.command)}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function any(events: readonly string[], word: 'and' | 'or'): string {
  return events.length === 1 ? events[0]! : `(${events.join(` ${word} `)})`;
}

/** Drives it by `initctl`. @param old before 1.4. */
export function initctl(old: boolean): Control {
  const step = (...words: readonly string[]): RunStep => ({ argv: ['/sbin/initctl', ...words] });
  /** 1: it is running already, or is not running. */
  const lenient = (...words: readonly string[]): Step => ({ ...step(...words), accept: [1] });
  const quick = (wait: boolean) => (wait ? [] : ['--no-wait']);
  /** What else an administrator has written there stays. */
  const override = (unit: string, manual: boolean): Step => ({
    file: `${DIRECTORY}/${unit}.override`,
    edit: manual ? withManual : withoutManual,
    told: manual ? 'add `manual` to' : 'take `manual` out of',
  });
  const overrides = (app: InstalledApp, daemon: string | undefined, manual: boolean): readonly Step[] => {
    const units = unitsFor(app, daemon);
    if (old && units.length > 0) throw noOverride();
    return units.map((unit) => override(unit, manual));
  };
  return {
    installed(apps, { added, enable, disabled }) {
      const fresh = apps.map((app) => ({
        ...app,
        units: app.units.filter(({ unit }) => added.has(`${unit}.conf`) && (!enable || disabled.has(unit))),
      }));
      return [...fresh.flatMap((app) => overrides(app, undefined, true)), step('reload-configuration')];
    },
    reread: () => [step('reload-configuration')],
    removing(app, only) {
      const units = only ?? unitsFor(app, undefined);
      return [
        ...units.map((unit) => lenient('stop', unit)),
        ...(old ? [] : units.map((unit) => override(unit, false))),
      ];
    },
    removed: () => [step('reload-configuration')],
    enable: (app, daemon) => [...overrides(app, daemon, false), step('reload-configuration')],
    disable: (app, daemon) => [...overrides(app, daemon, true), step('reload-configuration')],
    start: (app, daemon, wait) => unitsFor(app, daemon).map((unit) => lenient('start', ...quick(wait), unit)),
    stop: (app, daemon, wait) => unitsFor(app, daemon).map((unit) => lenient('stop', ...quick(wait), unit)),
    // `initctl restart` would keep the job as it was when it was started.
    restart: (app, daemon, wait) => [
      ...unitsFor(app, daemon).map((unit) => lenient('stop', unit)),
      ...unitsFor(app, daemon).map((unit) => lenient('start', ...quick(wait), unit)),
    ],
    query: () => step('list'),
    states: initctlStates,
  };
}

function noOverride(): MetactlError {
  return new MetactlError('this Upstart can’t keep a job that is installed from being started at boot', {
    code: 'METACTL_UNSUPPORTED',
    step: 'enable or disable a job',
    hint: 'it can from version 1.4 on; here, uninstall the app',
  });
}

/** Reads `initctl list`: `job start/running, process 123`, `job (instance) stop/waiting`, and lines about hooks. Pure. */
export function initctlStates(output: string): readonly UnitState[] {
  return output.split('\n').flatMap((line): UnitState[] => {
    const match = /^(\S+)(?: \(.*\))? (start|stop)\/([a-z-]+)(?:, process (\d+))?$/.exec(line);
    if (match === null) return [];
    const [, unit = '', goal, state, pid] = match;
    return [{ unit, state: stateOf(goal!, state!), ...(pid === undefined ? {} : { pid: Number(pid) }) }];
  });
}

function stateOf(goal: string, state: string): UnitState['state'] {
  if (state === 'running') return goal === 'start' ? 'running' : 'stopping';
  if (state === 'waiting') return 'stopped';
  return goal === 'start' ? 'starting' : 'stopping';
}
