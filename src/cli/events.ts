import type { Command } from 'commander';
import { askEvents } from '../supervisor/control/ask-events.ts';
import type { EventRecord } from '../supervisor/control/event-hub.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { contextOf } from './context.ts';
import { eventText } from './event-text.ts';

interface EventsOptions {
  readonly follow?: boolean;
  readonly lines: string;
}

/** `metactl events [APP] [DAEMON]`: one line for each thing that happened; with --json one object a line. */
export function register(program: Command): void {
  program
    .command('events')
    .description('Show what happened to the daemons of all apps, of one app, or to one daemon.')
    .argument('[app]', 'the app; without it all of them')
    .argument('[daemon]', 'one daemon of it')
    .option('-f, --follow', 'go on showing what happens')
    .option('-n, --lines <count>', 'no more than so many of the past', '100')
    .addHelpText(
      'after',
      '\nTimes are UTC. A supervisor remembers its last 1000 events. With --json one object a line.' +
        '\nExit status: 3 if no supervisor runs, 77 needs root.',
    )
    .action(async (app: string | undefined, daemon: string | undefined, options: EventsOptions, command: Command) => {
      const { paths, json, color } = contextOf(command);
      if (!/^\d{1,9}$/.test(options.lines)) throw badCount(options.lines);
      const last = Number(options.lines);
      const show = (record: EventRecord) =>
        process.stdout.write(json ? `${JSON.stringify(record)}\n` : `${eventText(record, color)}\n`);
      await askEvents(paths, { app, daemon, last, follow: options.follow === true }, show);
    });
}

function badCount(text: string): MetactlError {
  return new MetactlError(`--lines needs a number, found \`${text}\``, {
    code: 'METACTL_USAGE',
    hint: 'for example --lines 20',
    exitStatus: EXIT.usage,
  });
}
