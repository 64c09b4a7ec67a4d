import type { Command } from 'commander';
import { requireAppName } from '../config/names.ts';
import { requireManager } from '../service/index.ts';
import { planUninstall } from '../service/install.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { contextOf } from './context.ts';
import { configuredManager, printOrDo, requireRoot } from './service.ts';

/** `metactl uninstall APP`: takes an app away from the service manager. */
export function register(program: Command): void {
  program
    .command('uninstall')
    .description('Stop an app and remove its units. Its configuration, state and logs stay.')
    .argument('<app>', 'the app')
    .option('--dry-run', 'only show what would be removed')
    .option('--force', 'remove also what was changed by hand')
    .addHelpText(
      'after',
      '\nWhat `systemctl edit` made (drop-ins) stays too. `metactl purge` removes all the rest.' +
        '\nExit status: 0 done, 1 a unit was changed by hand, 3 it is not installed, 77 needs root.',
    )
    .action(async (app: string, options: { dryRun?: boolean; force?: boolean }, command: Command) => {
      const context = contextOf(command);
      requireAppName(app);
      const manager = await requireManager(configuredManager(context.paths));
      if (options.dryRun !== true) requireRoot(`write to ${manager.directory}`);
      const plan = planUninstall(manager, app, context.paths.nodeId);
      if (plan.changes.length === 0) throw notInstalled(app, manager.directory);
      await printOrDo(context, plan, options);
    });
}

/** Pure. */
export function notInstalled(app: string, directory: string): MetactlError {
  return new MetactlError(`${app} is not installed: nothing of it is in ${directory}`, {
    code: 'METACTL_NOT_INSTALLED',
    path: directory,
    hint: `install it with \`metactl install ${app}\``,
    exitStatus: EXIT.notRunning,
  });
}
