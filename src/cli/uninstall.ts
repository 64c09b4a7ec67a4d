import type { Command } from 'commander';
import { requireAppName } from '../config/names.ts';
import { nodeManagerHere, requireManager } from '../service/index.ts';
import { planUninstall } from '../service/install.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { contextOf } from './context.ts';
import { requireOne } from './install.ts';
import { configuredManager, printOrDo, requireRoot, whileLocked } from './service.ts';

/** `metactl uninstall APP`: takes an app away from the service manager. */
export function register(program: Command): void {
  program
    .command('uninstall')
    .description('Stop an app and remove its units. Its configuration, state and logs stay.')
    .argument('[app]', 'the app')
    .option('--node', 'not an app, but the supervisor of this node')
    .option('--dry-run', 'only show what would be removed')
    .option('--force', 'remove also what was changed by hand')
    .addHelpText(
      'after',
      '\nWhat `systemctl edit` made (drop-ins) stays too, and what was written into an Upstart .override. `metactl purge` removes all the rest.' +
        '\nExit status: 0 done, 1 a unit was changed by hand, 3 it is not installed, 77 needs root.',
    )
    .action(async (app: string | undefined, options: UninstallOptions, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      requireOne(app, options.node === true);
      if (app !== undefined) requireAppName(app);
      const configured = configuredManager(paths);
      const manager = await (app === undefined ? nodeManagerHere(configured) : requireManager(configured));
      if (options.dryRun !== true) requireRoot(`write to ${manager.directory}`);
      await whileLocked(context, { dryRun: options.dryRun, apps: [app ?? ''] }, async () => {
        const plan = planUninstall(manager, app ?? '', paths.nodeId, paths.lib);
        if (plan.changes.length === 0 && !plan.resumed) throw notInstalled(app ?? '--node', manager.directory);
        await printOrDo(context, plan, options);
      });
    });
}

interface UninstallOptions {
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly node?: boolean;
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
