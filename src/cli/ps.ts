import type { Command } from 'commander';
import { host as hostOfThisMachine } from '../host/index.ts';
import type { ProcessInfo } from '../host/process-info.ts';
import { isTerminal } from '../supervisor/is-terminal.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';
import { psText } from './ps-text.ts';

/** `metactl ps [APP] [DAEMON]`: processes as the host and as the sandbox sees them. */
export function register(program: Command): void {
  program
    .command('ps')
    .description(
      'List processes with their pid on the host (PID) and in the sandbox (INSIDE); USER/UID: the uid inside, where it is another.',
    )
    .argument('[app]', 'the app; without it all of them')
    .argument('[daemon]', 'one daemon of it')
    .option('--reveal', 'do not mask passwords')
    .addHelpText(
      'after',
      '\nCPU is the average since the process started. Exit status: 3 if nothing runs, 4 no such app.',
    )
    .action(
      async (app: string | undefined, daemon: string | undefined, options: { reveal?: boolean }, command: Command) => {
        const context = contextOf(command);
        const host = await hostOfThisMachine();
        const found = host.listProcesses(context.paths, app, daemon);
        const processes = options.reveal === true ? found.map(revealed) : found;
        if (processes.length === 0 && app !== undefined) throw await notRunning(context.paths, app, daemon);
        print(
          context.json
            ? jsonText(processes.map(psJson), 2)
            : psText(processes, {
                app: app === undefined,
                daemon: daemon === undefined,
                width: isTerminal(1) ? process.stdout.columns : undefined,
                color: context.color,
              }),
        );
      },
    );
}

/** The process with the secrets of its command line, as everybody on the host can read them. Pure. */
export function revealed(process: ProcessInfo): ProcessInfo {
  return { ...process, command: process.revealedCommand };
}

/** The shape of `--json`: stable; sizes in bytes, times in ISO 8601 and microseconds, `cpu` 1.0 for one whole CPU. Pure. */
export function psJson(process: ProcessInfo): Readonly<Record<string, unknown>> {
  const { insidePid, insideUid, startedAt, revealedCommand: _, ...rest } = process;
  return {
    ...rest,
    insidePid: insidePid ?? null,
    insideUid: insideUid ?? null,
    startedAt: new Date(startedAt).toISOString(),
  };
}

/** Tells an app that is not there from one that doesn't run. */
async function notRunning(paths: Paths, app: string, daemon: string | undefined): Promise<MetactlError> {
  const { inspectApp } = await import('../config/load.ts');
  const { config } = inspectApp(paths, app, []);
  if (daemon !== undefined && !config.daemons.includes(daemon)) {
    return new MetactlError(`${app} has no daemon \`${daemon}\``, {
      code: 'METACTL_NO_DAEMON',
      hint: config.daemons.length === 0 ? 'it has none' : `it has ${config.daemons.join(' ')}`,
      exitStatus: EXIT.usage,
    });
  }
  const what = daemon === undefined ? app : `${app} ${daemon}`;
  return new MetactlError(`${what} is not running`, {
    code: 'METACTL_NOT_RUNNING',
    hint: `start it with \`metactl run ${what}\``,
    exitStatus: EXIT.notRunning,
  });
}
