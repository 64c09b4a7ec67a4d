import { dottedName, findDotted } from './dotted.ts';
import type { ServiceManager } from './manager.ts';
import { FINAL_STATUSES, RESTART_PAUSE, type Service, type ServiceModel } from './model.ts';
import { hashComment, seal } from './service-file.ts';
import { shellLine, shellWord } from './shell-quote.ts';

/** OpenRC: one script per supervisor, which supervise-daemon keeps. Files only. */
export const openrc: ServiceManager = {
  name: 'openrc',
  directory: '/etc/init.d',
  files: (model) =>
    model.services.map((service) => ({
      name: dottedName(model.app, model.nodeId, service.daemon),
      text: seal(script(model, service), `metactl install ${model.app}`, hashComment),
      mode: 0o755,
    })),
  find: (names, app, nodeId) => findDotted(names, app, nodeId, ['']),
};

/**
 * What supervise-daemon runs: it starts again whatever ends, so what ended for good has to be stopped by name. It signals
 * only this shell, which passes that on.
 */
const SUPERVISE = [
  't=',
  '"$@" & p=$!',
  "trap 't=1; kill -TERM $p 2>/dev/null' TERM",
  "trap 'kill -HUP $p 2>/dev/null' HUP",
  's=0',
  'while :; do wait $p; s=$?; kill -0 $p 2>/dev/null || break; done',
  'test -n "$t" && exit 0',
  `case $s in 0|${FINAL_STATUSES.join('|')}) rc-service "$RC_SVCNAME" stop & wait $!; while test -z "$t"; do sleep 1; done;; esac`,
  'exit $s',
].join('; ');

/**
 * `supervise_start` of OpenRC splits `command_args` before it evaluates it, which no quotes survive; variables do.
 */
function script(model: ServiceModel, service: Service): string {
  const name = (daemon: string | undefined) => dottedName(model.app, model.nodeId, daemon);
  const words = ['-c', SUPERVISE, 'metactl', ...service.command];
  const before = service.dependsOn.map(name);
  const stop = Number.isFinite(service.stopTimeout) ? Math.ceil(service.stopTimeout / 1000) : 31_536_000;
  // Else supervise-daemon opens /dev/null, and nobody would see why something failed.
  const log = shellWord(`/var/log/${name(service.daemon)}.log`);
  return `#!/sbin/openrc-run
name=${shellWord(`metactl: ${service.label}`)}
description=${shellWord(`metactl: ${service.label}`)}
supervisor=supervise-daemon
command=/bin/sh
${words.map((word, at) => `metactl_${at}=${shellWord(word)}\n`).join('')}command_args='${words.map((_, at) => `"$metactl_${at}"`).join(' ')}'
pidfile=${shellWord(`/run/${name(service.daemon)}.pid`)}
output_log=${log}
error_log=${log}
respawn_delay=${RESTART_PAUSE / 1000}
respawn_max=0
retry=TERM/${stop}/KILL/5
extra_started_commands=reload

depend() {
	need localmount${before.map((one) => ` ${one}`).join('')}
	use net logger
	after netmount
}

reload() {
	ebegin "Reloading $name"
	${shellLine(service.reload)}
	eend $?
}
`;
}
