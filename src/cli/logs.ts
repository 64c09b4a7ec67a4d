import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { host as hostOfThisMachine } from '../host/index.ts';
import { type LogRecord, readLogs } from '../supervisor/logs/read/reader.ts';
import { findLogs } from '../supervisor/logs/read/sources.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeBytes, quoted } from '../util/escape.ts';
import { parseMoment } from '../util/moment.ts';
import { contextOf } from './context.ts';
import { formatterOf } from './logs-text.ts';
import { openPager, standardOutput } from './pager.ts';
import { remark } from './print.ts';

interface Options {
  readonly follow?: boolean;
  readonly since?: string;
  readonly lines?: string;
  readonly raw?: boolean;
  readonly pager: boolean;
}

/** `metactl logs APP [DAEMON]`: what its daemons wrote, wherever that is kept. */
export function register(program: Command): void {
  program
    .command('logs')
    .description('Show what the daemons of an app wrote, by time, also of an app that does not run.')
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it all of them')
    .option(
      '-f, --follow',
      'go on with what they write from now on; the last 10 lines come first unless -n says otherwise',
    )
    .option('-n, --lines <n>', 'only the last N lines')
    .option(
      '--since <time>',
      'only lines since then: "2026-11-26 16:25", 16:25, today, yesterday, 10min (ago), @SECONDS',
    )
    .option('--raw', 'the bytes that were written and nothing else; nothing is escaped')
    .option('--no-pager', 'not through $PAGER or less, as on a terminal otherwise')
    .addHelpText(
      'after',
      '\nTimes are UTC. What could steer a terminal is shown as \\x1b or \\u202e, bytes that are no UTF-8 as \\xff.' +
        '\nA + behind the stream: the line goes on in the next one; a ~: the daemon never ended it.' +
        '\nA line of the stream metactl tells what is missing: lines that were lost, files that went before they were read, and what' +
        '\njournald dropped of the unit. With --raw that goes to standard error.' +
        '\n-f waits for a log that is not there yet, and ends with Ctrl-C.' +
        '\n--json: one object a line, with time, app, daemon, stream (out, err, metactl), pid, message; "continued" or' +
        '\n"unended" is true where a + or ~ would be, and "bytes" has the message in base64 where it is no UTF-8.' +
        '\nExit status: 0 also without a line, 4 no such app, 77 who may not read logs (root and the group adm may).',
    )
    .action(async (app: string, daemon: string | undefined, options: Options, command: Command) => {
      const context = contextOf(command);
      const since = sinceOf(options.since, Date.now());
      const follow = options.follow === true;
      const last = linesOf(options.lines) ?? (follow && options.since === undefined ? 10 : undefined);
      const { logs } = await hostOfThisMachine();
      const sources = findLogs(logs, context.paths, app, { daemon, since, follow });
      try {
        if (sources.daemons.length === 0) {
          remark(`${nameOf(app, daemon)} has no log: ${WHY_NONE}`);
          return;
        }
        const pages = !follow && options.pager && isatty(1) && !context.json;
        const output = pages ? openPager(process.env) : standardOutput();
        const width = sources.daemons.length > 1 ? Math.max(...sources.daemons.map(({ length }) => length)) : 0;
        const format = formatterOf({ app, width, raw: options.raw === true, json: context.json, color: context.color });
        // What metactl has to say of the log is not what was written.
        const emit = (record: LogRecord) => {
          if (options.raw === true && isRemark(record)) remark(`${app}/${record.daemon}: ${escapeBytes(record.text)}`);
          else output.write(format(record));
        };
        if (sources.waits) remark(`${nameOf(app, daemon)} has no log yet: waiting for its first line`);
        await readLogs(sources.open(), { last, follow, emit, flush: () => output.flush() });
        await output.end();
      } finally {
        sources.close();
      }
    });
}

const nameOf = (app: string, daemon: string | undefined) => (daemon === undefined ? app : `${app}/${daemon}`);

const isRemark = ({ stream, mark }: LogRecord) => stream === 'metactl' && mark === ':';

const WHY_NONE = 'daemons in the background write one; `run` does where [daemon.NAME] log.to is set';

/** @throws MetactlError (2) */
export function sinceOf(text: string | undefined, now: number): number {
  const since = text === undefined ? 0 : parseMoment(text, now);
  if (since !== undefined) return since;
  throw new MetactlError(`found the time ${quoted(text!)}, expected one such as "2026-11-26 16:25" or 10min`, {
    code: 'METACTL_USAGE',
    hint: 'today, yesterday, 16:25, 2026-11-26, 2026-11-26T16:25:01Z, @1764174301 and 2h are others',
    exitStatus: EXIT.usage,
  });
}

/** @throws MetactlError (2) */
export function linesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new MetactlError(`found ${quoted(text)} for -n, expected how many lines`, {
    code: 'METACTL_USAGE',
    exitStatus: EXIT.usage,
  });
}
