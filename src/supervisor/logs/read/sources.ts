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
import { JournalReader } from './journal-reader.ts';
import type { LogReader } from './reader.ts';

export interface LogQuery {
  /** Undefined: all daemons of the app. */
  readonly daemon: string | undefined;
  readonly since: number;
  readonly last: number | undefined;
  readonly follow: boolean;
}

/** Where an app's log is: files of daemons that have some, and the journal for those that are configured so. */
export interface LogSources {
  /** Of what is read; empty where there is no log. */
  readonly daemons: readonly string[];
  /** New readers, from the beginning. */
  open(): LogReader[];
  close(): void;
}

/**
 * Finds an app's logs, also of an app that is stopped, or whose configuration is broken.
 * @throws MetactlError METACTL_NO_SUCH_APP (4), METACTL_BAD_NAME or METACTL_NO_DAEMON (2), METACTL_NEEDS_ROOT (77).
 */
export function findLogs(host: LogHost, paths: Paths, app: string, query: LogQuery): LogSources {
  requireAppName(app);
  const directory = host.directory(paths, app, false);
  try {
    const configured = configuredTargets(paths, app, directory !== undefined);
    const names = directory?.list() ?? [];
    const withFiles = daemonsOf(names);
    const known = [...new Set([...configured.keys(), ...withFiles])];
    const { daemon } = query;
    if (daemon !== undefined && !known.includes(daemon)) throw noDaemon(app, daemon, known);
    const asked = daemon === undefined ? known : [daemon];
    const comes = (name: string) => directory !== undefined && query.follow && isFile(configured.get(name));
    const inFiles = asked.filter((name) => withFiles.includes(name) || comes(name));
    // Where nobody says, a unit's lines are in the journal and a background supervisor's in files; it may have had both.
    const hasJournal = existsSync(host.sockets.journal);
    const inJournal = asked.filter((name) => isLogDaemon(configured.get(name), hasJournal));
    return {
      daemons: [...new Set([...inFiles, ...inJournal])],
      open: () => [
        ...(directory === undefined
          ? []
          : inFiles.map((name) => new FileReader({ ...query, directory, daemon: name }))),
        ...inJournal.map((name) => {
          const matches = matchesOf(app, name, configured.get(name)!);
          return new JournalReader({ ...query, daemon: name, matches });
        }),
      ],
      close: () => directory?.close(),
    };
  } catch (error) {
    directory?.close();
    throw error;
  }
}

type Configured = LogTarget | 'unset';

const isFile = (target: Configured | undefined) => target === 'file' || target === 'unset';

const isLogDaemon = (target: Configured | undefined, hasJournal: boolean) =>
  target === 'journal' || target === 'syslog' || (target === 'unset' && hasJournal);

function matchesOf(app: string, daemon: string, target: Configured): string[] {
  return target === 'syslog'
    ? [`SYSLOG_IDENTIFIER=${identifierOf(app, daemon)}`]
    : [`METACTL_APP=${app}`, `METACTL_DAEMON=${daemon}`];
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
