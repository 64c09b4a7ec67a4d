import type { Command } from 'commander';
import { runForeground } from '../supervisor/foreground.ts';
import { prepare } from '../supervisor/prepare.ts';
import { contextOf } from './context.ts';

/** `metactl run APP [DAEMON]`: in the foreground, until it ends or is told to. */
export function register(program: Command): void {
  program
    .command('run')
    .description('Run an app, or one daemon of it, in the foreground: output goes through, signals are handed on.')
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it all of them, their lines prefixed')
    .option('--no-sandbox', 'plain supervision: no namespaces, no network of its own, no root needed')
    .addHelpText(
      'after',
      '\nExit status: that of the daemon, 128+n for a signal; 77 needs root, 78 configuration, 125 other failures of metactl.',
    )
    .action(async (app: string, daemon: string | undefined, options: { sandbox: boolean }, command: Command) => {
      const context = contextOf(command);
      const prepared = await prepare(context.paths, app, { daemon, sandbox: options.sandbox, start: true });
      process.exitCode = await runForeground(prepared, {
        stdout: process.stdout,
        stderr: process.stderr,
        log: (line) => process.stderr.write(`metactl: ${line}\n`),
      });
    });
}
