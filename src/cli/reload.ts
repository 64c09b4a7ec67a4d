import type { Command } from 'commander';
import { askRunning } from '../supervisor/control/ask-all.ts';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import { appsOf, contextOf, forEachApp, lifecycleVerb, notRunningOrUnknown } from './lifecycle.ts';

/** `metactl reload APP [DAEMON]`: the daemon reads its own configuration anew. */
export function register(program: Command): void {
  lifecycleVerb(
    program,
    'reload',
    'Have the daemons of an app read their own files anew: sends each its reload-signal, and resolves the names of the firewall again.',
  )
    .addHelpText(
      'after',
      "\nA daemon without reload-signal is told nothing: SIGHUP would end it. metactl's own configuration takes effect by `metactl restart`." +
        '\nExit status: 0 it was told, 3 it is not running, 4 no such app.',
    )
    .action(async (app: string, daemon: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      const { apps: known = [] } =
        app === 'all' ? ((await ask(controlSocket(paths), 'hello')) as { apps?: string[] }) : {};
      await forEachApp(
        context,
        appsOf(app, daemon, () => known),
        async (one) => {
          const answers = await askRunning(paths, 'reload', { app: one, daemon, wait: true });
          if (answers.length === 0) throw await notRunningOrUnknown(paths, one, daemon);
          return answers;
        },
      );
    });
}
