import type { Command } from 'commander';
import { askStatus } from '../supervisor/control/ask-all.ts';
import { askEvents } from '../supervisor/control/ask-events.ts';
import type { EventRecord } from '../supervisor/control/event-hub.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { eventText } from './event-text.ts';
import { jsonText } from './print.ts';
import { report } from './report.ts';

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
      '\nTimes are UTC; the order is that in which things happened, also where the clock was set. A supervisor remembers its last 1000 events; of a daemon that makes very many some are' +
        '\nleft out, and counted. With --json one object a line.' +
        '\nExit status: 1 a supervisor was killed while it was followed, 2 no such daemon, 3 if no supervisor runs, 4 no such app, 77 needs root.',
    )
    .action(async (app: string | undefined, daemon: string | undefined, options: EventsOptions, command: Command) => {
      const { paths, json, color } = contextOf(command);
      if (!/^\d{1,9}$/.test(options.lines)) throw badCount(options.lines);
      const last = Number(options.lines);
      let shown = 0;
      const show = (record: EventRecord) => {
        shown++;
        process.stdout.write(json ? jsonText(record) : `${eventText(record, color, true)}\n`);
      };
      const follow = options.follow === true;
      // What is followed may be about to come; what has events may have been taken out of the configuration.
      if (follow && app !== undefined) await requireKnown(paths, app, daemon);
      const lost = (error: MetactlError) => {
        process.exitCode = report(error, { verb: 'events', json, debug: false });
      };
      await askEvents(paths, { app, daemon, last, follow }, show, lost);
      if (shown === 0 && !follow && app !== undefined) await requireKnown(paths, app, daemon);
    });
}

/** Nothing happened, or a name is mistyped. @throws MetactlError 4 or 2 */
async function requireKnown(paths: Paths, app: string, daemon: string | undefined): Promise<void> {
  if ((await askStatus(paths, app, daemon)).length > 0) return;
  (await import('../supervisor/prepare.ts')).knownDaemons(paths, app, daemon);
}

function badCount(text: string): MetactlError {
  return new MetactlError(`--lines needs a number, found \`${text}\``, {
    code: 'METACTL_USAGE',
    hint: 'for example --lines 20',
    exitStatus: EXIT.usage,
  });
}
