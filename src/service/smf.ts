import { requireCharacters } from './characters.ts';
import type { Control, InstalledApp, ServiceManager, Step, UnitState } from './manager.ts';
import { unitsFor } from './manager.ts';
import { FINAL_STATUSES, type Service, type ServiceModel } from './model.ts';
import { seal, xmlComment } from './service-file.ts';
import { shellLine } from './shell-quote.ts';

const DIRECTORY = '/var/svc/manifest/site';

/** SMF of illumos and Solaris: one manifest per app, one instance per supervisor (smf(7), smf_method(7)). */
export const smf: ServiceManager = {
  name: 'smf',
  directory: DIRECTORY,
  files: (model) => [
    {
      name: `${serviceOf(model.app, model.nodeId, '.')}.xml`,
      text: seal(
        manifest(model, (service) => appInstance(model, service)),
        `metactl install ${model.app}`,
        xmlComment,
      ),
      mode: 0o644,
    },
  ],
  find(names, app, nodeId, textOf) {
    const files = names.filter((name) => name === `${serviceOf(app, nodeId, '.')}.xml`);
    const instances = files.flatMap((name) => [
      ...(textOf?.(name) ?? '').matchAll(/<instance name="([A-Za-z0-9_-]+)"/g),
    ]);
    const units = instances.map(([, name = '']) => ({
      daemon: name === ALL ? undefined : name,
      unit: fmri(app, nodeId, name),
    }));
    return { app, nodeId, files, units };
  },
  control: svcadm(),
};

/**
 * The supervisor of a node: a service beside the apps' (`svc:/site/metactl:default`), whose instance has no name of its own. It has
 * no refresh method of its own: `:kill -HUP` would signal every daemon in the contract. Pure. @param command runs it.
 */
export function smfNode(nodeId: string, service: Service): string {
  const model = { app: '', nodeId, services: [service] };
  return manifest(model, (one) => instanceText(NODE, [], one, ':true'));
}

/** Finds it by its file's name. Pure. */
export function smfNodeUnits(files: readonly string[], nodeId: string): InstalledApp['units'] {
  return files.map(() => ({ daemon: undefined, unit: fmri('', nodeId, NODE) }));
}

/** The instance of all daemons: a name that no daemon can have. */
const ALL = 'all';
const NODE = 'default';

const instanceOf = (daemon: string | undefined) => daemon ?? ALL;

/** An app's; without one, the node's. */
function serviceOf(app: string, nodeId: string, separator: string): string {
  const node = nodeId === '' ? 'metactl' : `metactl-${nodeId}`;
  return app === '' ? node : `${node}${separator}${app}`;
}

/** Never an abbreviated one: those may come to mean another service. */
function fmri(app: string, nodeId: string, instance: string): string {
  return `svc:/site/${serviceOf(app, nodeId, '/')}:${instance}`;
}

function manifest(
  model: Pick<ServiceModel, 'app' | 'nodeId' | 'services'>,
  instance: (service: Service) => string,
): string {
  const name = serviceOf(model.app, model.nodeId, '/');
  const title = `metactl: ${model.app === '' ? model.services[0]!.label : model.app}`;
  return `<?xml version="1.0"?>
<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">
<service_bundle type="manifest" name=${attribute(name)}>
  <service name=${attribute(`site/${name}`)} type="service" version="1">
${dependency('fs', 'none', 'svc:/system/filesystem/local')}
${dependency('net', 'none', 'svc:/milestone/network:default')}
    <property_group name="startd" type="framework">
      <propval name="duration" type="astring" value="child"/>
      <propval name="ignore_error" type="astring" value="core,signal"/>
    </property_group>
${model.services.map(instance).join('\n')}
    <stability value="Unstable"/>
    <template>
      <common_name><loctext xml:lang="C">${title}</loctext></common_name>
    </template>
  </service>
</service_bundle>
`;
}

function appInstance(model: ServiceModel, service: Service): string {
  const needs = service.dependsOn.map((daemon) =>
    dependency(`needs-${daemon}`, 'restart', fmri(model.app, model.nodeId, instanceOf(daemon))).replace(/^/gm, '  '),
  );
  return instanceText(instanceOf(service.daemon), needs, service, service.reload);
}

function instanceText(
  name: string,
  needs: readonly string[],
  service: Service,
  refresh: string | readonly string[],
): string {
  return `    <instance name=${attribute(name)} enabled="false">
${needs.map((text) => `${text}\n`).join('')}      <method_context working_directory="/">
        <method_credential user="root" group="root"/>
      </method_context>
${method('start', ['/sbin/sh', '-c', SUPERVISE, 'metactl', ...service.command], service.startTimeout)}
${method('stop', ':kill', service.stopTimeout)}
${method('refresh', refresh, 60_000)}
    </instance>`;
}

/**
 * What svc.startd runs. It starts again whatever ends (also with 0, at once), except for status 96, and takes only `disable`
 * for an end. A stop signals everything in the contract, so nothing has to be passed on. For the shell of Solaris 10.
 */
const SUPERVISE = [
  't=',
  "trap 't=1' 15",
  '"$@"',
  's=$?',
  'test -n "$t" && exit 0',
  `case $s in ${FINAL_STATUSES.join('|')}) exit 96;; 0) ;; *) exit $s;; esac`,
  '/usr/sbin/svcadm disable -t "$SMF_FMRI"',
  'while test -z "$t"; do sleep 3600; done',
].join('; ');

function dependency(name: string, restartOn: 'none' | 'restart', on: string): string {
  return `    <dependency name=${attribute(name)} grouping="require_all" restart_on="${restartOn}" type="service">
      <service_fmri value=${attribute(on)}/>
    </dependency>`;
}

/** `%` begins a token of SMF; the string goes to a shell; 0 seconds are any time. */
function method(name: string, command: string | readonly string[], timeout: number): string {
  const line = typeof command === 'string' ? command : shellLine(command).replaceAll('%', '%%');
  const seconds = Number.isFinite(timeout) ? Math.ceil(timeout / 1000) : 0;
  return `      <exec_method type="method" name="${name}" exec=${attribute(line)} timeout_seconds="${seconds}"/>`;
}

/** Pure. @throws MetactlError METACTL_BAD_PATH (78) for what XML 1.0 can't hold. */
function attribute(text: string): string {
  requireCharacters(text, /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u, 'XML');
  const escaped = text.replace(/[&<>"\t\n\r]/g, (c) => `&#${c.charCodeAt(0)};`);
  return `"${escaped}"`;
}

function svcadm(): Control {
  const step = (...words: readonly string[]): Step => ({ argv: ['/usr/sbin/svcadm', ...words] });
  const each = (app: InstalledApp, daemon: string | undefined, ...words: readonly string[]) =>
    unitsFor(app, daemon).map((unit) => step(...words, unit));
  /** svcadm refuses (1) to clear what is not in maintenance. */
  const clear = (app: InstalledApp, daemon: string | undefined) =>
    unitsFor(app, daemon).map((unit): Step => ({ ...step('clear', unit), accept: [1] }));
  const service = ({ app, nodeId }: InstalledApp) => `svc:/site/${serviceOf(app, nodeId, '/')}`;
  const imported = (apps: readonly InstalledApp[]) =>
    apps.flatMap((app) => [
      ...app.files.map((name): Step => ({ argv: ['/usr/sbin/svccfg', 'import', `${DIRECTORY}/${name}`] })),
      ...app.units.map(({ unit }) => step('refresh', unit)),
    ]);
  return {
    // Enabling would start it: with SMF that is one thing. Instances come disabled.
    installed: imported,
    reread: imported,
    removing(app, only) {
      const units = only ?? unitsFor(app, undefined);
      const gone = only ?? (units.length === 0 ? [] : [service(app)]);
      return [
        ...units.map((unit) => step('disable', '-s', unit)),
        ...gone.map((one): Step => ({ argv: ['/usr/sbin/svccfg', 'delete', '-f', one] })),
      ];
    },
    removed: () => [],
    enable: (app, daemon) => each(app, daemon, 'enable'),
    disable: (app, daemon) => each(app, daemon, 'disable'),
    start: (app, daemon, wait) => [...clear(app, daemon), ...each(app, daemon, 'enable', ...(wait ? ['-s'] : []))],
    // Until the next boot, or the next start.
    stop: (app, daemon, wait) => each(app, daemon, 'disable', ...(wait ? ['-st'] : ['-t'])),
    restart: (app, daemon) => each(app, daemon, 'restart'),
    query: (app) => ({
      argv: ['/usr/bin/svcs', '-H', '-o', 'state,nstate,ctid,fmri', ...unitsFor(app, undefined)],
      // Some of them are not there.
      accept: [1],
    }),
    states: svcsStates,
    // `-s` returns early on some releases.
    patience: 10_000,
  };
}

const STATES: Readonly<Record<string, UnitState['state']>> = {
  online: 'running',
  degraded: 'running',
  offline: 'starting',
  uninitialized: 'starting',
  maintenance: 'failed',
  disabled: 'stopped',
};

/**
 * Reads `svcs -H -o state,nstate,ctid,fmri`: columns that are never empty (`-`); while it changes, `nstate` says to what. Pure.
 */
export function svcsStates(output: string): readonly UnitState[] {
  return output.split('\n').flatMap((line): UnitState[] => {
    const [state = '', next = '-', , unit] = line.trim().split(/\s+/);
    const now = STATES[state.replace(/\*$/, '')];
    if (unit === undefined || now === undefined) return [];
    return [{ unit, state: changing(now, next), ...(state === 'maintenance' ? { reason: 'maintenance' } : {}) }];
  });
}

function changing(now: UnitState['state'], next: string): UnitState['state'] {
  if (next === 'online') return 'starting';
  return next === 'offline' || next === 'disabled' ? 'stopping' : now;
}
