import type { Command } from 'commander';
import { runForeground } from '../supervisor/foreground.ts';
import { prepare } from '../supervisor/prepare.ts';
import { contextOf } from './context.ts';
import { remarkText } from './print.ts';
import { survivingStream } from './surviving-stream.ts';

/** `metactl run APP [DAEMON]`: in the foreground, until it ends or is told to. */
export function register(program: Command): void {
  program
    .command('run')
    .description('Run an app, or one daemon of it, in the foreground: output goes through, signals are handed on.')
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it all of them, their lines prefixed')
    .option('--no-sandbox', 'plain supervision: no namespaces, no network of its own, no root needed')
    .option('--unit', 'for a unit of systemd (Type=notify): tell it how the app is, and write to the journal')
    // Without a text: hidden. Takes the place of the supervisor that this process was.
    .option('--take-over <fd>')
    .addHelpText(
      'after',
      `
Exit status: that of the daemon, 128+n for a signal; 77 needs root, 78 configuration, 125 other failures of metactl.
With --unit: 0 ended well or stopped, 69 gave up, 77 and 78 (wrong usage too) the same, 1 other failures of metactl.`,
    )
    .action(async (app: string, daemon: string | undefined, options: RunOptions, command: Command) => {
      const { paths, debug } = contextOf(command);
      const prepared = () => prepare(paths, app, { daemon, sandbox: options.sandbox, start: true });
      if (options.unit === true) {
        const { runAsUnit } = await import('./run-unit.ts');
        return await runAsUnit(prepared, debug, options.takeOver === undefined ? undefined : Number(options.takeOver));
      }
      process.exitCode = await runForeground(await prepared(), {
        stdout: () => survivingStream('stdout'),
        stderr: () => survivingStream('stderr'),
        log: (line) => survivingStream('stderr').write(remarkText(line)),
      });
    });
}

interface RunOptions {
  readonly sandbox: boolean;
  readonly unit?: boolean;
  readonly takeOver?: string;
}
