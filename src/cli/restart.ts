import type { Command } from 'commander';
import { listApps } from '../config/app-names.ts';
import { isAbsent } from '../supervisor/control/answer.ts';
import { askRunning } from '../supervisor/control/ask-all.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import type { Paths } from '../util/paths.ts';
import {
  appsOf,
  contextOf,
  forEachApp,
  type LifecycleOptions,
  lifecycleVerb,
  notRunningOrUnknown,
  progressOf,
} from './lifecycle.ts';
import { driver, driveUnits, isAnyUp } from './units.ts';

/** `metactl restart APP [DAEMON]`: with the configuration as it is now. What is stopped is started, as systemctl does. */
export function register(program: Command): void {
  lifecycleVerb(
    program,
    'restart',
    'Stop an app, or one daemon of it, if it runs, and start it with the configuration as it is now.',
  )
    .option('--no-wait', "don't wait until it is up again")
    .addHelpText(
      'after',
      '\nWhat does not run is started, as by `metactl start`. A configuration with errors changes nothing: what runs goes on.' +
        '\nWhere units no longer are those of the configuration it says so: `metactl install` makes them.' +
        '\n`all`: the apps in the background that run.' +
        '\nExit status: 0 it is up, 1 it could not be started, 2 no such daemon, 3 nothing runs (`all`), 4 no such app, 5 not ready in time, 78 configuration.',
    )
    .action(async (app: string, daemon: string | undefined, { wait }: LifecycleOptions, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      const onEvent = progressOf(context);
      const known = app === 'all' ? await runningApps(paths) : [];
      await forEachApp(
        context,
        appsOf(app, daemon, () => known),
        async (one) => {
          const driven = await driver(paths, one);
          const units = driven === undefined ? undefined : await driveUnits(paths, 'restart', driven, { daemon, wait });
          if (units !== undefined) return [units];
          const answers = await askRunning(paths, 'restart', { app: one, daemon, wait }, { onEvent });
          if (answers.length > 0) return answers;
          // Somebody has just stopped it.
          if (app === 'all') throw await notRunningOrUnknown(paths, one, daemon);
          const { starter } = await import('./start.ts');
          const start = await starter(context, [one], { daemon, wait });
          return start(one);
        },
      );
    });
}

/** Those in the background: of the supervisor of this node, and of the service manager. @throws MetactlError 3 without any. */
async function runningApps(paths: Paths): Promise<readonly string[]> {
  const installed = [];
  for (const app of listApps(paths)) {
    const driven = await driver(paths, app);
    if (driven !== undefined && (await isAnyUp(driven))) installed.push(app);
  }
  try {
    const { apps = [] } = (await ask(controlSocket(paths), 'hello')) as { apps?: string[] };
    return [...new Set([...apps, ...installed])];
  } catch (error) {
    if (installed.length === 0 || !isAbsent(error)) throw error;
    return installed;
  }
}
