import type { Command } from 'commander';
import { askRunning } from '../supervisor/control/ask-all.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import {
  appsOf,
  contextOf,
  forEachApp,
  type LifecycleOptions,
  lifecycleVerb,
  notRunningOrUnknown,
  progressOf,
} from './lifecycle.ts';

/** `metactl stop APP [DAEMON]`: wherever it runs, in the background or in the foreground of a `run`. */
export function register(program: Command): void {
  lifecycleVerb(program, 'stop', 'Stop an app, or one daemon of it, and wait until nothing of it is left.')
    .option('--no-wait', "don't wait until it has ended")
    .addHelpText(
      'after',
      '\n`metactl stop all` stops all apps in the background, the last one started first, and then the supervisor itself.' +
        '\nExit status: 0 it is stopped, 3 it was not running, 4 no such app.',
    )
    .action(async (app: string, daemon: string | undefined, { wait }: LifecycleOptions, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      const onEvent = progressOf(context);
      const [one] = appsOf(app, daemon, () => []);
      if (one === undefined) {
        await ask(controlSocket(paths), 'shutdown', {}, { onEvent });
        return;
      }
      await forEachApp(context, [one], async () => {
        const answers = await askRunning(paths, 'stop', { app: one, daemon, wait }, { onEvent });
        if (answers.length === 0) throw await notRunningOrUnknown(paths, one, daemon);
        return answers;
      });
    });
}
