import type { Command } from 'commander';
import { listApps } from '../config/app-names.ts';
import { isAbsent } from '../supervisor/control/answer.ts';
import { askRunning } from '../supervisor/control/ask-all.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import type { Context } from './context.ts';
import {
  appsOf,
  contextOf,
  forEachApp,
  type LifecycleOptions,
  lifecycleVerb,
  notRunningOrUnknown,
  progressOf,
  type UnitOutcome,
  withoutRepeats,
} from './lifecycle.ts';
import { driver, driveUnits } from './units.ts';

interface StopOptions extends LifecycleOptions {
  readonly kill?: boolean;
}

/** `metactl stop APP [DAEMON]`: wherever it runs, in the background or in the foreground of a `run`. */
export function register(program: Command): void {
  lifecycleVerb(program, 'stop', 'Stop an app, or one daemon of it, and wait until nothing of it is left.')
    .option('--no-wait', "don't wait until it has ended")
    .option('--kill', "end it by SIGKILL at once, also one that is being stopped and doesn't end")
    .addHelpText(
      'after',
      '\nWhat the service manager keeps is stopped by it (on systemd this is `systemctl stop`).' +
        '\n`metactl stop all` stops all apps in the background, the last one started first, and then the supervisor itself.' +
        '\n`--kill` is for what does not end: it works beside another `stop` that still waits, and asks nothing of the app.' +
        '\nExit status: 0 it is stopped, 3 it was not running, 4 no such app.',
    )
    .action(async (app: string, daemon: string | undefined, { wait, kill = false }: StopOptions, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      const onEvent = progressOf(context);
      const apps = appsOf(app, daemon, () => listApps(paths));
      if (app === 'all') {
        await stopAll(context, apps, { wait, kill });
        return;
      }
      await forEachApp(context, apps, async (one) => {
        const driven = await driver(paths, one);
        const ask = () => askRunning(paths, 'stop', { app: one, daemon, wait, kill }, { onEvent });
        // The service manager waits as long as the configuration says.
        const killed = kill ? await ask() : [];
        const units = driven === undefined ? undefined : await driveUnits(paths, 'stop', driven, { daemon, wait });
        const answers = kill ? killed : await ask();
        if (units === undefined && answers.length === 0) throw await notRunningOrUnknown(paths, one, daemon);
        const outcomes = answers as readonly UnitOutcome[];
        return withoutRepeats(units === undefined ? outcomes : [units, ...outcomes]);
      });
    });
}

/** What the service manager runs, then the supervisor of this node with all that it runs. */
async function stopAll(context: Context, apps: readonly string[], { wait, kill = false }: StopOptions): Promise<void> {
  const { paths } = context;
  const driven = (await Promise.all(apps.map((one) => driver(paths, one)))).filter((one) => one !== undefined);
  let stopped = false;
  if (driven.length > 0) {
    const byName = new Map(driven.map((one) => [one.installed.app, one]));
    await forEachApp(context, [...byName.keys()], async (one) => {
      if (kill) await askRunning(paths, 'stop', { app: one, daemon: undefined, wait, kill });
      const units = await driveUnits(paths, 'stop', byName.get(one)!, { daemon: undefined, wait });
      stopped ||= units !== undefined;
      return units === undefined ? [] : [units];
    });
  }
  try {
    await ask(controlSocket(paths), 'shutdown', kill ? { kill } : {}, { onEvent: progressOf(context) });
  } catch (error) {
    if (!stopped || !isAbsent(error)) throw error;
  }
}
