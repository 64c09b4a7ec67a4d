import type { Command } from 'commander';
import { freshDoor, runningDoor } from '../supervisor/enter.ts';
import { prepare } from '../supervisor/prepare.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { contextOf } from './context.ts';
import { enterThrough, refuseDirectories } from './enter.ts';
import { remark } from './print.ts';

/** `metactl exec APP [DAEMON] [options] -- COMMAND…` */
export function register(program: Command): void {
  program
    .command('exec')
    .description("Run a command in a running daemon's sandbox, with its credentials, limits and filters.")
    .usage('APP [DAEMON] [options] -- COMMAND [ARGUMENT…]')
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it the first that runs')
    .argument('[command...]', 'the command, after --')
    .option('--fresh', 'in a one-off sandbox of the app (migrations, with nothing of it running)')
    .option('--as-root', 'as uid 0 of the sandbox, with the few capabilities that repairing files needs')
    .addHelpText(
      'after',
      '\nExit status: that of the command, 128+n for a signal; 126 not executable, 127 not found, 125 other failures of metactl.',
    )
    .action(async (app: string, _daemon: string | undefined, _words: string[], options: Options, command: Command) => {
      const context = contextOf(command);
      const { daemon, argv } = splitWords(command.args, process.argv);
      refuseDirectories();
      const entry = { argv, asRoot: options.asRoot === true, term: process.env.TERM };
      if (options.fresh === true) {
        const request = { daemon, sandbox: true, start: true, needs: false };
        const prepared = await prepare(context.paths, app, request);
        prepared.host.requireRoot();
        for (const warning of prepared.warnings) remark(`warning: ${warning}`);
        process.exitCode = await enterThrough(freshDoor(prepared, entry));
      } else process.exitCode = await enterThrough(await runningDoor(context.paths, app, daemon, entry));
    });
}

interface Options {
  readonly fresh?: boolean;
  readonly asRoot?: boolean;
}

/**
 * Parts the operands at `--`: a daemon's name may stand before it, the command comes after. Pure.
 * @param operands All operands, as commander hands them over (without the `--`).
 * @param raw The whole command line.
 * @throws MetactlError (2) without a command.
 */
export function splitWords(
  operands: readonly string[],
  raw: readonly string[],
): { daemon: string | undefined; argv: string[] } {
  const dashes = raw.indexOf('--');
  const argv = dashes < 0 ? [] : raw.slice(dashes + 1);
  const before = operands.slice(0, operands.length - argv.length);
  if (argv.length === 0 || before.length > 2) {
    throw new MetactlError('exec needs a command after `--`', {
      code: 'METACTL_USAGE',
      hint: 'for example: metactl exec myapp -- id',
      exitStatus: EXIT.usage,
    });
  }
  return { daemon: before[1], argv };
}
