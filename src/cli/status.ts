import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { listApps } from '../config/app-names.ts';
import { guessUnits } from '../service/unit-guess.ts';
import { beginStatus, hasSupervisor } from '../supervisor/control/ask-all.ts';
import type { StatusRecord } from '../supervisor/control/status-record.ts';
import { isTerminal } from '../supervisor/is-terminal.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { quoted } from '../util/escape.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { jsonText, print, printError, printOver, remark } from './print.ts';
import type { Whole } from './status-idle.ts';
import { statusText } from './status-text.ts';

interface StatusOptions {
  readonly watch?: boolean | string;
  readonly node?: boolean;
}

/** `metactl status [APP] [DAEMON]`: what every supervisor of this node keeps, and what none keeps. */
export function register(program: Command): void {
  program
    .command('status')
    .description(
      'Show the daemons of all apps, of one app, or one daemon: how they are, since when, and what they use.',
    )
    .argument('[app]', 'the app; without it all of them')
    .argument('[daemon]', 'one daemon of it')
    .option('--node', 'the exit status tells whether the supervisor of this node runs, as init scripts want it')
    .option('--watch [seconds]', 'show it again every so many seconds (2)')
    .addHelpText(
      'after',
      '\nCPU is the average of this run, with --watch that since the last look. A `*` behind the state: its configuration is another by now.' +
        '\nOf apps with units, those without a daemon and daemons without a unit are told on standard error.' +
        '\nExit status: 0 all that was asked for runs (or nothing was named), 3 something of it does not (--node: no supervisor), 4 no such app,' +
        '\n77 needs root.',
    )
    .action(async (app: string | undefined, daemon: string | undefined, options: StatusOptions, command: Command) => {
      const { paths, json, color } = contextOf(command);
      requireNoApp(app, options.node === true);
      const pause = options.watch === undefined ? undefined : secondsOf(options.watch) * 1000;
      const show = async (before: readonly StatusRecord[] | undefined) => {
        const { records, misfits } = await statusOf(paths, app, daemon);
        const width = isTerminal(1) ? process.stdout.columns : undefined;
        const text = json
          ? jsonText(records, options.watch === undefined ? 2 : undefined)
          : statusText(records, { color, width, before });
        (options.watch !== undefined && color && !json ? printOver : print)(text);
        if (before === undefined) for (const one of misfits) remark(one.text);
        return records;
      };
      let records = await show(undefined);
      if (!json) await tellUnfinished(paths, app);
      if (pause !== undefined) {
        for (;;) {
          await sleep(pause);
          records = await show(records);
        }
      }
      const runs =
        options.node === true ? await hasSupervisor(paths) : app === undefined || records.every(({ ready }) => ready);
      if (!runs) process.exitCode = EXIT.notRunning;
    });
}

/** What nobody would see of an app: that it may not be started at boot. */
async function tellUnfinished(paths: Paths, app: string | undefined): Promise<void> {
  if (!existsSync(join(paths.lib, 'installing'))) return;
  const { unfinishedApps } = await import('../service/unfinished.ts');
  for (const one of unfinishedApps(paths.lib)) {
    if (app !== undefined && app !== one) continue;
    const what = one === '' ? '--node' : one;
    printError(
      `metactl: an install or uninstall of ${what} was not completed: run it again (metactl install ${what}, metactl uninstall ${what})\n`,
    );
  }
}

/** @throws MetactlError METACTL_USAGE (2) */
function requireNoApp(app: string | undefined, node: boolean): void {
  if (!node || app === undefined) return;
  throw new MetactlError('--node is about no app', {
    code: 'METACTL_USAGE',
    hint: 'leave out the app, or --node',
    exitStatus: EXIT.usage,
  });
}

/** At least 0.1. @throws MetactlError (2) also where `--watch` has taken what was to be the app. */
export function secondsOf(watch: boolean | string): number {
  if (typeof watch !== 'string') return 2;
  const seconds = /^\d{1,9}(\.\d+)?$/.test(watch) ? Number(watch) : undefined;
  if (seconds !== undefined) return Math.max(seconds, 0.1);
  throw new MetactlError(`found ${quoted(watch)} for --watch, expected seconds`, {
    code: 'METACTL_USAGE',
    hint: 'for example `--watch 5`; an app stands before it: `metactl status APP --watch`',
    exitStatus: EXIT.usage,
  });
}

/** @throws MetactlError 4 no such app, 2 no such daemon, 77 needs root. */
async function statusOf(paths: Paths, app?: string, daemon?: string): Promise<Whole> {
  const answer = await beginStatus(paths, app, daemon);
  const named = app === undefined ? listApps(paths) : [app];
  const mayHaveUnits = guessUnits(paths.nodeId);
  const known = await answer();
  const running = new Set(known.map((record) => record.app));
  const idle = named.filter((name) => !running.has(name));
  // A unit that gave up has no supervisor which could tell.
  const united = [...idle, ...running].filter(mayHaveUnits);
  if (idle.length === 0 && united.length === 0) return { records: known, misfits: [] };
  // Reading configurations takes longer than all the rest.
  const { wholeStatus } = await import('./status-idle.ts');
  return wholeStatus(paths, { known, idle, united, asked: app === undefined ? undefined : { daemon } });
}
