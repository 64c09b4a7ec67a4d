import { dottedName, findDotted } from './dotted.ts';
import type { ServiceManager } from './manager.ts';
import { FINAL_STATUSES, type Service, type ServiceModel } from './model.ts';
import { hashComment, type ServiceFile, seal } from './service-file.ts';
import { shellLine, shellWord } from './shell-quote.ts';

/** What differs between runit and s6, which both run the directories of services of daemontools. */
interface Dialect {
  /** Waits until another service is up. */
  readonly wait: (unit: string, milliseconds: number) => string;
  /** In `finish`: not again. */
  readonly giveUp: string;
  readonly log: string;
}

/** Milliseconds that stand for "any time". */
const ALWAYS = 24 * 86_400_000;

const RUNIT: Dialect = {
  wait: (unit, ms) => `sv -w ${Math.ceil(ms / 1000)} start ../${unit} || exit 1`,
  giveUp: 'exec sv down .',
  log: 'mkdir -p main\nexec svlogd -tt main',
};

const S6: Dialect = {
  wait: (unit, ms) => `s6-svwait -u -t ${ms} ../${unit} || exit 1`,
  // s6-supervise(8): "permanent failure".
  giveUp: 'exit 125',
  log: 'exec s6-log -- t n10 s10000000 main',
};

/** runit: a directory per supervisor, with a log. Files only. */
export const runit: ServiceManager = manager('runit', '/etc/service', RUNIT);
/** s6: the same. */
export const s6: ServiceManager = manager('s6', '/run/service', S6);

function manager(name: 'runit' | 's6', directory: string, dialect: Dialect): ServiceManager {
  return {
    name,
    directory,
    files: (model) => model.services.flatMap((service) => filesOf(model, service, dialect)),
    find: (names, app, nodeId) => findDotted(names, app, nodeId, ['/run', '/finish', '/log/run']),
  };
}

function filesOf(model: ServiceModel, service: Service, dialect: Dialect): ServiceFile[] {
  const name = (daemon: string | undefined) => dottedName(model.app, model.nodeId, daemon);
  const file = (file: string, text: string): ServiceFile => ({
    name: `${name(service.daemon)}/${file}`,
    text: seal(`#!/bin/sh\n${text}\n`, `metactl install ${model.app}`, hashComment),
    mode: 0o755,
  });
  const waits = service.dependsOn.map((daemon) => {
    const limit = model.services.find((one) => one.daemon === daemon)?.startTimeout ?? 0;
    return `${dialect.wait(shellWord(name(daemon)), Number.isFinite(limit) ? limit : ALWAYS)}\n`;
  });
  return [
    file('run', `exec 2>&1\n${waits.join('')}exec ${shellLine(service.command)}`),
    // $1 is the exit status. metactl restarts the daemon; only metactl's own death is a reason to start it again.
    file('finish', `case "$1" in\n  0|${FINAL_STATUSES.join('|')}) ${dialect.giveUp} ;;\nesac`),
    file('log/run', dialect.log),
  ];
}
