import type { Command } from 'commander';
import { runningDoor } from '../supervisor/enter.ts';
import { contextOf } from './context.ts';
import { enterThrough, refuseDirectories } from './enter.ts';

/** `metactl shell APP [DAEMON]`: a shell inside. */
export function register(program: Command): void {
  program
    .command('shell')
    .description(
      "Open a shell in a running daemon's sandbox: its user, namespaces, limits and filters, on a new terminal.",
    )
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it the first that runs')
    .option('--as-root', 'as uid 0 of the sandbox, with the few capabilities that repairing files needs')
    .action(async (app: string, daemon: string | undefined, options: { asRoot?: boolean }, command: Command) => {
      const context = contextOf(command);
      refuseDirectories();
      const entry = { argv: undefined, asRoot: options.asRoot === true, term: process.env.TERM };
      process.exitCode = await enterThrough(await runningDoor(context.paths, app, daemon, entry));
    });
}
