import type { Command } from 'commander';
import { listPresentApps } from '../config/app-names.ts';
import { requireUnchanged } from '../service/changes.ts';
import { KINDS, managerOf, nodeManagerHere, requireManager } from '../service/index.ts';
import { type Installation, planInstall } from '../service/install.ts';
import type { ServiceManager } from '../service/manager.ts';
import type { ServiceModel } from '../service/model.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { appsOf, contextOf, throwAll } from './lifecycle.ts';
import { configuredManager, modelOf, ownProgram, printOrDo, requireRoot, whileLocked } from './service.ts';

interface InstallOptions {
  readonly node?: boolean;
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
    .argument('[app]', 'the app, or `all`')
    .option('--node', 'not an app, but the supervisor of this node, with all apps that have no units')
    .option('--dry-run', 'only show the differences and the commands')
    .option('--force', 'overwrite and remove what was changed by hand')
    .option('--no-enable', 'new units are not started at boot')
    .option('--export <kind>', `only write files for one of ${KINDS.join(', ')}`)
    .option('--to <dir>', 'the directory that --export writes to')
    .addHelpText(
      'after',
      '\nDo it again whenever daemons, timeouts or dependencies have changed; what else changes needs only `metactl restart`.' +
        '\nNothing is started: `metactl start APP` does that, or the next boot. Units that go, since their daemon is gone or' +
        '\n`[service] unit` is another, are stopped; what ran of them is told.' +
        '\nInstead of units for each app, `metactl install --node` has one for the supervisor of this node (systemd, Upstart, SMF,' +
        '\nOpenRC, or an init script), which starts all apps without units; its --export is one of systemd, upstart, upstart-0.6, smf,' +
        '\nsysv, openrc.' +
        '\n`all` installs what can be, and ends with the highest status of what can not.' +
        '\nExit status: 0 done, 1 a unit was changed by hand, or no service manager runs here, 4 no such app, 77 needs root, 78 configuration.',
    )
    .action(async (app: string | undefined, options: InstallOptions, command: Command) => {
      const context = contextOf(command);
      requireOne(app, options.node === true);
      const { manager, models, to, failures } = await (app === undefined ? nodePart : appPart)(
        context.paths,
        app ?? '',
        options,
      );
      if (to === undefined && options.dryRun !== true) requireRoot(`write to ${manager.directory}`);
      const where = to === undefined ? {} : { to };
      const plan = (some: readonly ServiceModel[]) =>
        planInstall(manager, some, { ...where, enable: options.enable, lib: context.paths.lib });
      const lock = { dryRun: options.dryRun, apps: models.map((model) => model.app), to };
      await whileLocked(context, lock, async () => {
        const { good, bad } = app === 'all' ? tryEach(models, (model) => tryPlan(plan([model]), options)) : all(models);
        if (good.length > 0 || models.length === 0) await printOrDo(context, plan(good), options);
        throwAll([...failures, ...bad].sort((a, b) => statusOf(b) - statusOf(a)));
      });
    });
}

interface Part {
  readonly manager: ServiceManager;
  readonly models: readonly ServiceModel[];
  readonly to: string | undefined;
  /** Of apps among `all`: the others are installed. */
  readonly failures: readonly MetactlError[];
}

interface Tried<T> {
  readonly good: readonly T[];
  readonly bad: readonly MetactlError[];
}

function all<T>(good: readonly T[]): Tried<T> {
  return { good, bad: [] };
}

/** Those for which it works, and what is wrong with the others. */
function tryEach<T>(items: readonly T[], work: (item: T) => unknown): Tried<T> {
  const bad: MetactlError[] = [];
  const good = items.filter((item) => {
    try {
      work(item);
      return true;
    } catch (error) {
      if (!(error instanceof MetactlError)) throw error;
      bad.push(error);
      return false;
    }
  });
  return { good, bad };
}

/** @throws MetactlError METACTL_UNIT_CHANGED for what `printOrDo` would refuse. */
function tryPlan({ directory, changes }: Installation, { dryRun, force }: InstallOptions): void {
  if (dryRun !== true && force !== true) requireUnchanged(directory, changes);
}

function statusOf({ exitStatus = EXIT.error }: MetactlError): number {
  return exitStatus;
}

async function appPart(paths: Paths, app: string, options: InstallOptions): Promise<Part> {
  const names = appsOf(app, undefined, () => listPresentApps(paths));
  const makers = new Map<string, ReturnType<typeof modelOf>>();
  const load = (one: string) => makers.set(one, modelOf(paths, one));
  if (app !== 'all') for (const one of names) load(one);
  const loaded = app === 'all' ? tryEach(names, load) : all(names);
  const exported = exportOf(options, KINDS);
  const manager = exported === undefined ? await requireManager(configuredManager(paths)) : managerOf(exported.kind);
  const program = ownProgram(manager);
  const models = new Map<string, ServiceModel>();
  const make = (one: string) => models.set(one, makers.get(one)!(program));
  if (app !== 'all') for (const one of names) make(one);
  const made = app === 'all' ? tryEach(loaded.good, make) : all(names);
  return { manager, models: [...models.values()], to: exported?.to, failures: [...loaded.bad, ...made.bad] };
}

async function nodePart(paths: Paths, _app: string, options: InstallOptions): Promise<Part> {
  const { NODE_KINDS, nodeManager, nodeModel } = await import('../service/node.ts');
  const exported = exportOf(options, NODE_KINDS);
  const manager = exported === undefined ? await nodeManagerHere(configuredManager(paths)) : nodeManager(exported.kind);
  return { manager, models: [nodeModel(paths, ownProgram(manager))], to: exported?.to, failures: [] };
}

/** @throws MetactlError METACTL_USAGE (2) */
export function requireOne(app: string | undefined, node: boolean): void {
  if ((app === undefined) === node) return;
  throw usage(node ? '--node is about no app' : 'no app was named', 'name an app, `all`, or say --node');
}

/** @throws MetactlError METACTL_USAGE (2) */
function exportOf<Kind extends string>(
  { export: kind, to }: InstallOptions,
  kinds: readonly Kind[],
): { readonly kind: Kind; readonly to: string } | undefined {
  if (kind === undefined && to === undefined) return undefined;
  if (kind === undefined || to === undefined) {
    throw usage('--export and --to belong together', 'say --export KIND --to DIR');
  }
  const known = kinds.find((one) => one === kind);
  if (known === undefined) throw usage(`--export: found \`${kind}\`, expected one of ${kinds.join(', ')}`);
  return { kind: known, to };
}

function usage(message: string, hint?: string): MetactlError {
  return new MetactlError(message, {
    code: 'METACTL_USAGE',
    exitStatus: EXIT.usage,
    ...(hint === undefined ? {} : { hint }),
  });
}
