import { existsSync } from 'node:fs';
import { inspectApp } from '../../../config/load.ts';
import { nameProblem, requireAppName } from '../../../config/names.ts';
import type { LogHost } from '../../../host/log-host.ts';
import { platforms } from '../../../platform/index.ts';
import { EXIT, MetactlError } from '../../../util/error.ts';
import type { Paths } from '../../../util/paths.ts';
import { identifierOf } from '../messages.ts';
import { currentName, rotatedFiles } from '../rotation.ts';
import { type LogTarget, logTarget } from '../settings.ts';
import { FileReader } from './file-reader.ts';
import { DROPPED_MATCHES } from './journal-entry.ts';
import { JournalReader } from './journal-reader.ts';
import { LogPlace } from './log-place.ts';
import type { LogReader } from './reader.ts';

export interface LogQuery {
  /** Undefined: all daemons of the app. */
  readonly daemon: string | undefined;
  readonly since: number;
  /** Also logs that may come. */
  readonly follow: boolean;
}

/** Where an app's log is: files of daemons that have some, and the journal for those that are configured so. */
export interface LogSources {
  /** Of what is read; empty where there is no log. */
  readonly daemons: readonly string[];
  /** There are files to come, and none yet, nor anything else to read. */
  readonly waits: boolean;
  /** From the beginning. */
  open(): LogReader[];
  close(): void;
}

/**
 * Finds an app's logs, also of an app that is stopped, or whose configuration is broken.
 * @throws MetactlError METACTL_NO_SUCH_APP (4), METACTL_BAD_NAME or METACTL_NO_DAEMON (2), METACTL_NEEDS_ROOT (77).
 */
export function findLogs(host: LogHost, paths: Paths, app: string, query: LogQuery): LogSources {
  requireAppName(app);
  const place = new LogPlace(() => host.directory(paths, app));
  try {
    const configured = configuredTargets(paths, app, place.directory !== undefined);
    const names = place.directory?.list() ?? [];
    const withFiles = daemonsOf(names);
    const known = [...new Set([...configured.keys(), ...withFiles])];
    const { daemon } = query;
    if (daemon !== undefined && !known.includes(daemon)) throw noDaemon(app, daemon, known);
    const asked = daemon === undefined ? known : [daemon];
    const comes = (name: string) => query.follow && isFile(configured.get(name));
    const inFiles = asked.filter((name) => withFiles.includes(name) || comes(name));
    // Where nobody says, a unit's lines are in the journal and a background supervisor's in files; it may have had both.
    const hasJournal = existsSync(host.sockets.journal);
    const inJournal = asked.filter((name) => isLogDaemon(configured.get(name), hasJournal));
    const { since } = query;
    const matches = journalMatches(app, inJournal, configured);
    return {
      daemons: [...new Set([...inFiles, ...inJournal])],
      waits: inFiles.length > 0 && inJournal.length === 0 && !inFiles.some((name) => withFiles.includes(name)),
      open: () => [
        ...inFiles.map((name) => new FileReader({ place, daemon: name, since })),
        // One for all: journalctl has them in the journal's order.
        ...(matches.length === 0 ? [] : [new JournalReader({ matches, since })]),
      ],
      close: () => place.close(),
    };
  } catch (error) {
    place.close();
    throw error;
  }
}

type Configured = LogTarget | 'unset';

const isFile = (target: Configured | undefined) => target === 'file' || target === 'unset';

const isLogDaemon = (target: Configured | undefined, hasJournal: boolean) =>
  target === 'journal' || target === 'syslog' || (target === 'unset' && hasJournal);

/**
 * What daemons' lines have in the journal, and what journald says of those that it dropped. `FIELD=value` of one field are one
 * or the other, of several one and the other (journalctl(1)). Pure.
 */
export function journalMatches(
  app: string,
  daemons: readonly string[],
  targets: ReadonlyMap<string, Configured>,
): string[] {
  const isSyslog = (daemon: string) => targets.get(daemon) === 'syslog';
  const native = daemons.filter((daemon) => !isSyslog(daemon)).map((daemon) => `METACTL_DAEMON=${daemon}`);
  const alternatives = [
    native.length === 0 ? [] : [`METACTL_APP=${app}`, ...native],
    daemons.filter(isSyslog).map((daemon) => `SYSLOG_IDENTIFIER=${identifierOf(app, daemon)}`),
  ].filter((matches) => matches.length > 0);
  if (alternatives.length === 0) return [];
  return alternatives.flatMap((matches) => [...matches, '+']).concat(DROPPED_MATCHES);
}

/** Members of the group adm may read logs, but not the configuration; logs may outlive it. */
function configuredTargets(paths: Paths, app: string, hasLogs: boolean): Map<string, Configured> {
  try {
    const { config } = inspectApp(paths, app, platforms);
    return new Map(config.daemons.map((daemon) => [daemon, logTarget(config, daemon) ?? 'unset']));
  } catch (error) {
    const { code } = error as MetactlError;
    if (hasLogs && (code === 'METACTL_NEEDS_ROOT' || code === 'METACTL_NO_SUCH_APP')) return new Map();
    throw error;
  }
}

/** Daemons that have files. Pure. */
export function daemonsOf(names: readonly string[]): string[] {
  const candidates = new Set(names.map((name) => name.slice(0, name.indexOf('.'))));
  return [...candidates]
    .filter((name) => nameProblem(name, 'daemon') === undefined)
    .filter((name) => names.includes(currentName(name)) || rotatedFiles(name, names).length > 0)
    .sort();
}

function noDaemon(app: string, daemon: string, known: readonly string[]): MetactlError {
  return new MetactlError(`${app} has no daemon \`${daemon}\``, {
    code: 'METACTL_NO_DAEMON',
    hint: known.length === 0 ? 'it has none' : `it has ${known.join(' ')}`,
    exitStatus: EXIT.usage,
  });
}
