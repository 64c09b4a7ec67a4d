import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspectApp } from '../config/load.ts';
import { nameProblem } from '../config/names.ts';
import type { LoadedConfig, Problem } from '../config/types.ts';
import { platforms } from '../platform/index.ts';
import { serviceModel } from '../service/model.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { hideInData, hideInError } from '../util/secrets.ts';

/** What was found about one subject: an app, or metactl.conf. */
export interface Findings {
  readonly name: string;
  /** What stops a start. */
  readonly errors: readonly Problem[];
  /** What does not. */
  readonly notes: readonly Problem[];
}

/** Plans the start of one daemon without starting anything. @returns every failure. */
export type Planner = (config: LoadedConfig, daemon: string) => Promise<readonly unknown[]>;

/**
 * Everything that would stop `run`: problems of all layers, what this version does not have, and, where the files
 * themselves are well, what planning each daemon meets: a missing jar, an unknown user, a mount without a source.
 * @throws MetactlError METACTL_NO_SUCH_APP (4), METACTL_BAD_NAME (2), METACTL_NEEDS_ROOT (77)
 */
export async function checkApp(paths: Paths, app: string, plan: Planner): Promise<Findings> {
  const { config, problems } = inspectApp(paths, app, platforms);
  const errors = new Map<string, Problem>();
  const notes = new Map<string, Problem>();
  const add = (map: Map<string, Problem>, problem: Problem) =>
    map.set(`${problem.file}:${problem.line}:${problem.message}`, problem);
  for (const problem of [...problems, ...config.unbuilt.refuse]) add(errors, problem);
  for (const problem of config.warnings) add(notes, problem);
  if (problems.length === 0) {
    const unit = unitProblem(config, paths);
    if (unit !== undefined) add(errors, hideInData(unit, config.secrets));
    if (config.daemons.length === 0 && config.section('crontab').length === 0) add(notes, problemOf(noDaemon(app)));
    for (const daemon of config.daemons) {
      for (const failure of await plan(config, daemon)) {
        const needsRoot = failure instanceof MetactlError && failure.exitStatus === EXIT.needsRoot;
        add(needsRoot ? notes : errors, problemOf(hideInError(failure, config.secrets)));
      }
    }
  }
  return { name: app, errors: [...errors.values()], notes: [...notes.values()] };
}

/** What `install` would refuse. Where the program lies does not matter for that. */
function unitProblem(config: LoadedConfig, paths: Paths): Problem | undefined {
  try {
    serviceModel(config, paths, ['/usr/bin/metactl']);
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
}

/** Plans for real, on this machine. What `run` would look at is loaded only here. */
export function planOnHost(paths: Paths, app: string): Planner {
  return async (config, daemon) => {
    const [{ prepare, requireNeed }, { host }, { platformNamed }] = await Promise.all([
      import('../supervisor/prepare.ts'),
      import('../host/index.ts'),
      import('../platform/index.ts'),
    ]);
    const failures: unknown[] = [];
    const attempt = async <T>(action: () => T | Promise<T>): Promise<T | undefined> => {
      try {
        return await action();
      } catch (error) {
        failures.push(error);
        return undefined;
      }
    };
    const facts = (await host()).facts();
    const platform = platformNamed(config.text(`daemon.${daemon}`, 'platform') ?? 'exec');
    const mode = config.text('sandbox.net', 'mode');
    const ownNetwork = config.flag('sandbox', 'enabled') !== false && mode !== 'none' && mode !== 'host';
    const command = await attempt(() => platform.command(config, daemon, { app, daemon, ownNetwork }));
    for (const need of command?.needs ?? []) await attempt(() => requireNeed(need, facts));
    const refused = config.unbuilt.refuse.length > 0;
    if (command !== undefined && !refused) {
      await attempt(() => prepare(paths, app, { daemon, sandbox: true, start: false, needs: false }));
    }
    return failures;
  };
}

/** Files in the administrators' directories that no app reads: most likely a misspelt name. */
export function strayFiles(paths: Paths): Problem[] {
  return [paths.siteDirectory, paths.nodesDirectory].flatMap((directory) =>
    list(directory)
      .filter((name) => name.endsWith('.conf') && !name.startsWith('.') && name !== '_defaults.conf')
      .flatMap((name) => {
        const message = nameProblem(name.slice(0, -'.conf'.length), 'app');
        return message === undefined ? [] : [{ message, file: join(directory, name), line: 0, column: 0 }];
      }),
  );
}

function noDaemon(app: string): MetactlError {
  return new MetactlError('it has no daemon, so there is nothing to start yet', {
    code: 'METACTL_NO_DAEMON',
    hint: `metactl edit ${app}: give it a section such as [daemon.web] with a command`,
  });
}

function problemOf(failure: unknown): Problem {
  const message = failure instanceof Error ? failure.message : String(failure);
  const hint = failure instanceof MetactlError ? failure.hint : undefined;
  return { message, file: '', line: 0, column: 0, ...(hint === undefined ? {} : { hint }) };
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    // Absent, or not readable: then `listApps` says so.
    return [];
  }
}
