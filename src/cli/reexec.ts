import { realpathSync } from 'node:fs';
import type { Command } from 'commander';
import { ask } from '../supervisor/control/client.ts';
import { controlSocket } from '../supervisor/control/sockets.ts';
import { contextOf } from './context.ts';
import { print } from './print.ts';

interface Hello {
  readonly pid: number;
  readonly version: string;
  readonly replaced: number;
}

/** `metactl reexec`: the supervisor in the background becomes this very metactl, and no daemon notices. */
export function register(program: Command): void {
  program
    .command('reexec')
    .description('Replace the supervisor in the background by this metactl, while all its daemons run on.')
    .addHelpText(
      'after',
      '\nDo this after an upgrade. Process ids, states, log lines, and what clients wait for are kept.' +
        '\nThe new one is asked first whether it can take over; if not, nothing changes.' +
        '\nExit status: 0 it was replaced, 1 it was not, and goes on as it was, 3 none is running, 77 needs root.',
    )
    .action(async (_options: object, command: Command) => {
      const { paths, json } = contextOf(command);
      const socket = controlSocket(paths);
      const before = (await ask(socket, 'hello')) as Hello;
      // This very metactl, under the Node that runs it: what is installed now, wherever that is.
      const successor = { node: process.execPath, program: realpathSync(process.argv[1]!) };
      const after = (await ask(socket, 'reexec', successor)) as Hello;
      print(
        json
          ? `${JSON.stringify({ pid: after.pid, version: after.version, before: before.version }, null, 2)}\n`
          : `the supervisor (pid ${after.pid}) is metactl ${after.version} now; it was ${before.version}\n`,
      );
    });
}
