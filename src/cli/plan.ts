import type { Command } from 'commander';
import { prepare } from '../supervisor/prepare.ts';
import { contextOf } from './context.ts';
import { planJson, planText } from './plan-text.ts';

/** `metactl plan APP [DAEMON]`: every effect of a start, before it happens. Takes no lease and makes nothing. */
export function register(program: Command): void {
  program
    .command('plan')
    .description(
      'Print exactly what a start would do: namespaces, mounts in order, limits, network, environment, command.',
    )
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon; without it all of them')
    .option('--reveal', 'do not mask passwords')
    .action(async (app: string, daemon: string | undefined, options: { reveal?: boolean }, command: Command) => {
      const context = contextOf(command);
      const { plans, warnings, config } = await prepare(context.paths, app, { daemon, sandbox: true, start: false });
      const reveal = options.reveal === true;
      const text = context.json
        ? `${JSON.stringify({ app, warnings, daemons: plans.map((plan) => planJson(plan, config, reveal)) }, null, 2)}\n`
        : plans.map((plan) => planText(plan, config, reveal)).join('\n');
      process.stdout.write(text);
      if (!context.json) for (const warning of warnings) process.stderr.write(`metactl: warning: ${warning}\n`);
    });
}
