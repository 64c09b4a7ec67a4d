import type { Paths } from '../util/paths.ts';
import { dottedName } from './dotted.ts';
import type { Control, InstalledApp, ManagerName, RunStep, ServiceManager } from './manager.ts';
import { FINAL_STATUSES, MARGIN, RESTART_PAUSE, type Service, type ServiceModel } from './model.ts';
import { hashComment, seal, xmlComment } from './service-file.ts';
import { shellLine } from './shell-quote.ts';
import { smf, smfNode, smfNodeUnits } from './smf.ts';
import { systemd } from './systemd.ts';
import { execLine, pathList, timeSpan } from './systemd-quote.ts';
import { initctl, jobText } from './upstart.ts';

/** What can start the supervisor of a node at boot. */
export const NODE_KINDS = ['systemd', 'upstart', 'upstart-0.6', 'smf', 'sysv', 'openrc'] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

/** Milliseconds that all apps of a node together may take to start to start, and to stop. */
const START = 5 * 60_000;
const STOP = 10 * 60_000;

/** The supervisor of a node as a service without an app. Pure. @param program how this metactl is called. */
export function nodeModel(paths: Paths, program: readonly string[]): ServiceModel {
  const call = paths.root === '/' ? program : [...program, '--root', paths.root];
  return {
    app: '',
    nodeId: paths.nodeId,
    directories: [...new Set([paths.etc, paths.lib])],
    services: [
      {
        daemon: undefined,
        label: 'the supervisor of this node',
        command: call,
        reload: [],
        dependsOn: [],
        startTimeout: START + MARGIN,
        stopTimeout: STOP + MARGIN,
        watchdog: undefined,
      },
    ],
    passThrough: { Unit: [], Service: [], Install: [] },
  };
}

/**
 * What has the supervisor of a node started at boot, and with it all apps that no service manager has.
 * @param tool of System V: which of these two there is.
 */
export function nodeManager(kind: NodeKind, tool: 'update-rc.d' | 'chkconfig' = 'update-rc.d'): ServiceManager {
  const { name, directory, ending, script } = PLACES[kind];
  const nameOf = (nodeId: string) => baseName(nodeId) + ending;
  return {
    ...{ name, directory },
    files: (model) => [
      {
        name: nameOf(model.nodeId),
        text: seal(TEXTS[kind](model), 'metactl install --node', kind === 'smf' ? xmlComment : hashComment),
        mode: script ? 0o755 : 0o644,
      },
    ],
    find(names, app, nodeId) {
      const files = names.filter((name) => name === nameOf(nodeId));
      if (kind === 'smf') return { app, nodeId, files, units: smfNodeUnits(files, nodeId) };
      // Upstart calls a job by its file's name without the ending.
      const units = files.map((file) => (ending === '.conf' ? file.slice(0, -ending.length) : file));
      return { app, nodeId, files, units: units.map((unit) => ({ daemon: undefined, unit })) };
    },
    control: CONTROLS[kind](tool),
  };
}

interface Place {
  readonly name: ManagerName;
  readonly directory: string;
  readonly ending: '.service' | '.conf' | '.xml' | '';
  readonly script: boolean;
}

const JOB: Place = { name: 'upstart', directory: '/etc/init', ending: '.conf', script: false };
const SCRIPT = { directory: '/etc/init.d', ending: '', script: true } as const;
const PLACES: Readonly<Record<NodeKind, Place>> = {
  systemd: { name: 'systemd', directory: systemd.directory, ending: '.service', script: false },
  upstart: JOB,
  'upstart-0.6': JOB,
  smf: { name: 'smf', directory: smf.directory, ending: '.xml', script: false },
  // It has a name of its own nowhere.
  sysv: { name: 'systemd', ...SCRIPT },
  openrc: { name: 'openrc', ...SCRIPT },
};

/** `metactl`, `metactl-1a2b`: no dot, so that it is no app's. */
const baseName = (nodeId: string) => dottedName('', nodeId).slice(0, -1);

const TEXTS: Readonly<Record<NodeKind, (model: ServiceModel) => string>> = {
  systemd: systemdText,
  upstart: (model) => nodeJob(model, false),
  'upstart-0.6': (model) => nodeJob(model, true),
  smf: ({ nodeId, services }) => smfNode(nodeId, booting(services[0]!)),
  sysv: sysvText,
  openrc: openrcText,
};

function nodeJob({ nodeId, services }: ServiceModel, old: boolean): string {
  return jobText(booting(services[0]!), baseName(nodeId), [], old);
}

/** As the manager keeps it: in the foreground, with all apps. */
function booting(service: Service): Service {
  return { ...service, command: [...service.command, 'supervise', '--boot'] };
}

function systemdText({ services, directories }: ServiceModel): string {
  const [service] = services;
  return `[Unit]
Description=metactl: ${service!.label}
Wants=network-online.target
After=network-online.target remote-fs.target nss-user-lookup.target
RequiresMountsFor=${pathList(directories)}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=${execLine(booting(service!).command)}
ExecReload=/bin/kill -HUP $MAINPID
Delegate=yes
KillMode=mixed
LogRateLimitIntervalSec=1us
Restart=on-failure
RestartSec=${timeSpan(RESTART_PAUSE)}
RestartPreventExitStatus=${FINAL_STATUSES.join(' ')}
TimeoutStartSec=${timeSpan(service!.startTimeout)}
TimeoutStopSec=${timeSpan(service!.stopTimeout)}

[Install]
WantedBy=multi-user.target
`;
}

/** `metactl stop all` ends with 3 where nothing runs; for an init script that is a success (LSB 3.1, chapter 20.2). */
function sysvText({ nodeId, services }: ServiceModel): string {
  const name = baseName(nodeId);
  const metactl = shellLine(services[0]!.command);
  return `#!/bin/sh
# chkconfig: 2345 90 10
# description: metactl: ${services[0]!.label}
### BEGIN INIT INFO
# Provides:          ${name}
# Required-Start:    $remote_fs $network $syslog
# Required-Stop:     $remote_fs $network $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: metactl: ${services[0]!.label}
### END INIT INFO
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

start() {
	${metactl} start all --no-wait
}

stop() {
	${metactl} stop all || test $? = 3
}

case "$1" in
start) start ;;
stop) stop ;;
restart | force-reload) stop && start ;;
status)
	${metactl} status --node
	s=$?
	# 3: it does not run; 4: nobody knows (LSB 3.1, chapter 20.2).
	case $s in 0 | 3) exit $s ;; *) exit 4 ;; esac
	;;
*)
	echo "usage: $0 start|stop|restart|force-reload|status" >&2
	exit 2
	;;
esac
`;
}

function openrcText({ services }: ServiceModel): string {
  const metactl = shellLine(services[0]!.command);
  return `#!/sbin/openrc-run
name="metactl"
description="metactl: ${services[0]!.label}"

depend() {
	need localmount
	use net logger
	after netmount
}

start() {
	ebegin "Starting the apps of metactl"
	${metactl} start all --no-wait
	eend $?
}

stop() {
	ebegin "Stopping the apps of metactl"
	${metactl} stop all || test $? = 3
	eend $?
}

status() {
	${metactl} status --node
}
`;
}

type Tool = 'update-rc.d' | 'chkconfig';

const CONTROLS: Readonly<Record<NodeKind, (tool: Tool) => Control>> = {
  systemd: () => systemd.control!,
  upstart: () => initctl(false),
  'upstart-0.6': () => initctl(true),
  smf: () => smf.control!,
  sysv: (tool) => {
    const add = (unit: string): RunStep =>
      tool === 'chkconfig' ? { argv: ['chkconfig', '--add', unit] } : { argv: ['update-rc.d', unit, 'defaults'] };
    const remove = (unit: string): RunStep =>
      tool === 'chkconfig' ? { argv: ['chkconfig', '--del', unit] } : { argv: ['update-rc.d', '-f', unit, 'remove'] };
    return scripts(add, remove);
  },
  openrc: () =>
    scripts(
      (unit) => ({ argv: ['rc-update', 'add', unit, 'default'] }),
      (unit) => ({ argv: ['rc-update', 'delete', unit, 'default'], accept: [1] }),
    ),
};

/** Init scripts: what starts at boot is all that there is to be said; the rest is up to `metactl start` and `stop`. */
function scripts(add: (unit: string) => RunStep, remove: (unit: string) => RunStep): Control {
  const each = (app: InstalledApp, step: (unit: string) => RunStep) => app.units.map(({ unit }) => step(unit));
  const run = (verb: string) => (app: InstalledApp) => each(app, (unit) => ({ argv: [`/etc/init.d/${unit}`, verb] }));
  return {
    installed(apps, { added, enable, disabled }) {
      const units = apps.flatMap((app) => app.units.map(({ unit }) => unit));
      return enable ? units.filter((unit) => added.has(unit) && !disabled.has(unit)).map(add) : [];
    },
    reread: () => [],
    removing: (app) => [...run('stop')(app), ...each(app, remove)],
    removed: () => [],
    enable: (app) => each(app, add),
    disable: (app) => each(app, remove),
    start: run('start'),
    stop: run('stop'),
    restart: run('restart'),
    query: () => ({ argv: ['true'] }),
    states: () => [],
  };
}
