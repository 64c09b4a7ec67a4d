import type { Command } from 'commander';
import { listApps } from '../config/load.ts';
import { KINDS, type Kind, managerOf, requireManager } from '../service/index.ts';
import { planInstall } from '../service/install.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { appsOf, contextOf } from './lifecycle.ts';
import { configuredManager, modelOf, printOrDo, requireRoot } from './service.ts';

interface InstallOptions {
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly enable: boolean;
  readonly export?: string;
  readonly to?: string;
}

/** `metactl install APP`: hands an app over to the service manager. */
export function register(program: Command): void {
  program
    .command('install')
    .description('Write the units of an app for the service manager of this server, and have them started at boot.')
    .argument('<app>', 'the app, or `all`')
    .option('--dry-run', 'only show the differences and the commands')
    .option('--force', 'overwrite and remove what was changed by hand')
    .option('--no-enable', 'new units are not started at boot')
    .option('--export <kind>', `only write files for one of ${KINDS.join(', ')}`)
    .option('--to <dir>', 'the directory that --export writes to')
    .addHelpText(
      'after',
      '\nDo it again whenever daemons, timeouts or dependencies have changed; what else changes needs only `metactl restart`.' +
        '\nNothing is started: `metactl start APP` does that, or the next boot.' +
        '\nExit status: 0 done, 1 a unit was changed by hand, or no service manager runs here, 4 no such app, 77 needs root, 78 configuration.',
    )
    .action(async (app: string, options: InstallOptions, command: Command) => {
      const context = contextOf(command);
      const { paths } = context;
      const models = appsOf(app, undefined, () => listApps(paths)).map((one) => modelOf(paths, one));
      const exported = exportOf(options);
      const manager =
        exported === undefined ? await requireManager(configuredManager(paths)) : managerOf(exported.kind);
      if (exported === undefined && options.dryRun !== true) requireRoot(`write to ${manager.directory}`);
      const to = exported === undefined ? {} : { to: exported.to };
      await printOrDo(context, planInstall(manager, models, { ...to, enable: options.enable }), options);
    });
}

/** @throws MetactlError METACTL_USAGE (2) */
function exportOf({ export: kind, to }: InstallOptions): { readonly kind: Kind; readonly to: string } | undefined {
  if (kind === undefined && to === undefined) return undefined;
  if (kind === undefined || to === undefined) {
    throw usage('--export and --to belong together', 'say --export KIND --to DIR');
  }
  const known = KINDS.find((one) => one === kind);
  if (known === undefined) throw usage(`--export: found \`${kind}\`, expected one of ${KINDS.join(', ')}`);
  return { kind: known, to };
}

function usage(message: string, hint?: string): MetactlError {
  return new MetactlError(message, {
    code: 'METACTL_USAGE',
    exitStatus: EXIT.usage,
    ...(hint === undefined ? {} : { hint }),
  });
}
