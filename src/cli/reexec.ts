import { realpathSync } from 'node:fs';
import type { Command } from 'commander';
import { requireAppName } from '../config/names.ts';
import { isAbsent } from '../supervisor/control/answer.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket, runSocket, runSockets } from '../supervisor/control/sockets.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';

interface Hello {
  readonly pid: number;
  /** Absent where it can't be replaced: a `run` in the foreground of somebody's terminal. */
  readonly version?: string;
}

/** One supervisor that was replaced. */
interface Replaced {
  /** Of a unit; undefined: the one in the background. */
  readonly app?: string;
  readonly pid: number;
  readonly version: string;
  readonly before: string;
}

/** `metactl reexec`: the supervisors become this very metactl, and no daemon notices. */
export function register(program: Command): void {
  program
    .command('reexec')
    .description('Replace the supervisors of this node by this metactl, while all their daemons run on.')
    .argument('[app]', 'only those of its units; without it also the supervisor in the background')
    .argument('[daemon]', 'only that of its unit')
    .addHelpText(
      'after',
      '\nDo this after an upgrade. Process ids, states, log lines, and what clients and the service manager wait for are kept.' +
        '\nThe new one is asked first whether it can take over; if not, nothing changes. A `run` in a terminal stays as it is.' +
        '\nExit status: 0 replaced, 1 one was not, and goes on as it was, 3 none is running, 77 needs root.',
    )
    .action(async (app: string | undefined, daemon: string | undefined, _options: object, command: Command) => {
      const { paths, json } = contextOf(command);
      if (app !== undefined) requireAppName(app);
      const { replaced, failure } = await replaceAll(socketsOf(paths, app, daemon));
      if (json && replaced.length > 0) print(jsonText(jsonOf(replaced), 2));
      else if (!json) print(replaced.map(textOf).join(''));
      if (failure !== undefined) throw failure;
    });
}

interface Asked {
  readonly path: string;
  readonly app?: string;
}

function socketsOf(paths: Paths, app: string | undefined, daemon: string | undefined): readonly Asked[] {
  const units = runSockets(paths, app).filter((one) => (daemon ?? one.daemon) === one.daemon);
  if (app === undefined) return [{ path: controlSocket(paths) }, ...units];
  // Where none is, the one that isn't there.
  return units.length > 0 ? units : [{ path: runSocket(paths, app, daemon ?? 'main'), app }];
}

/** One after the other: what can't be replaced does not keep the others from it. */
async function replaceAll(asked: readonly Asked[]): Promise<{ replaced: readonly Replaced[]; failure: unknown }> {
  // This very metactl, under the Node that runs it: what is installed now, wherever that is.
  const successor = { node: process.execPath, program: realpathSync(process.argv[1]!) };
  const replaced: Replaced[] = [];
  let failure: unknown;
  let absent: unknown;
  const seen = new Set<number>();
  for (const { path, app } of asked) {
    try {
      const before = (await ask(path, 'hello')) as Hello;
      // A unit of several daemons has a socket for each.
      if (seen.has(before.pid) || before.version === undefined) continue;
      seen.add(before.pid);
      const { pid, version = '' } = (await ask(path, 'reexec', successor)) as Hello;
      replaced.push({ ...(app === undefined ? {} : { app }), pid, version, before: before.version });
    } catch (error) {
      if (isAbsent(error)) absent ??= error;
      else failure ??= error;
    }
  }
  return { replaced, failure: failure ?? (replaced.length === 0 ? absent : undefined) };
}

function textOf({ app, pid, version, before }: Replaced): string {
  const what = app === undefined ? 'the supervisor' : `the supervisor of ${app}`;
  return `${what} (pid ${pid}) is metactl ${version} now; it was ${before}\n`;
}

/** The shape of `--json`: stable. Pure. */
function jsonOf(replaced: readonly Replaced[]): object {
  const background = replaced.find(({ app }) => app === undefined);
  return {
    pid: background?.pid ?? null,
    version: background?.version ?? null,
    before: background?.before ?? null,
    units: replaced.filter(({ app }) => app !== undefined),
  };
}
