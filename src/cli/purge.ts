import { join } from 'node:path';
import type { Command } from 'commander';
import { requireAppName } from '../config/names.ts';
import { host as hostOfThisMachine } from '../host/index.ts';
import { type PurgeItem, requireNoMounts } from '../host/purge-item.ts';
import { requireUnchanged } from '../service/changes.ts';
import { type Driven, statesOf } from '../service/drive.ts';
import { managerHere } from '../service/index.ts';
import { carryOutInstallation, installedApp, planUninstall } from '../service/install.ts';
import type { InstalledApp, UnitState } from '../service/manager.ts';
import { askStatus } from '../supervisor/control/ask-all.ts';
import type { StatusRecord } from '../supervisor/control/status-record.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeText } from '../util/escape.ts';
import type { Paths } from '../util/paths.ts';
import { askOnTerminal } from './ask.ts';
import { type Context, contextOf } from './context.ts';
import { jsonText, print, printError } from './print.ts';
import { configuredManager, requireRoot, whileLocked } from './service.ts';

/** `metactl purge APP`: removes all of an app but its configuration. */
export function register(program: Command): void {
  program
    .command('purge')
    .description('Remove all of an app but its configuration: units, releases, state, logs, leases. Asks before.')
    .argument('<app>', 'the app')
    .option('--dry-run', 'only list what would be removed')
    .option('--yes', "don't ask")
    .option('--force', 'remove also units that were changed by hand')
    .addHelpText(
      'after',
      '\nAn app that has units is stopped; any other must be stopped before, and what is mounted below its directories unmounted.' +
        '\nWhat it wrote elsewhere ([sandbox.mounts]) stays, and belongs to a user id that another app may get next.' +
        '\nExit status: 0 done, 1 not done (it runs, something is mounted there, or the answer was no), 4 there is nothing of it, 77 needs root.',
    )
    .action(async (app: string, options: PurgeOptions, command: Command) => {
      const context = contextOf(command);
      requireAppName(app);
      requireRoot(`purge ${app}`);
      // Also while somebody is asked: what they have seen is what is removed.
      await whileLocked(context, { dryRun: options.dryRun, apps: [app] }, () => purgeApp(context, app, options));
    });
}

interface PurgeOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
}

async function purgeApp({ paths, json }: Context, app: string, options: PurgeOptions): Promise<void> {
  const host = await hostOfThisMachine();
  const manager = await managerHere(configuredManager(paths));
  const units = manager === undefined ? undefined : planUninstall(manager, app, paths.nodeId, paths.lib);
  const items: readonly Listed[] = [
    ...(units?.changes ?? []).map(({ name, blocked }) => ({
      ...{ kind: 'unit' as const, name: join(units!.directory, name) },
      ...(blocked === undefined ? {} : { blocked }),
    })),
    ...host.belongings(paths, app),
  ];
  if (items.length === 0 && units?.resumed !== true) throw nothing(app);
  const dryRun = options.dryRun === true;
  const belongings = items.filter((item): item is PurgeItem => item.kind !== 'unit');
  const runs = await whatRuns(paths, app, (units?.changes.length ?? 0) > 0 ? manager : undefined);
  // Before anybody is asked.
  if (!dryRun) {
    requireNoMounts(belongings);
    if (units !== undefined && units.changes.length > 0) requireOnlyUnits(app, runs);
  }
  if (!dryRun && options.force !== true) {
    requireUnchanged(
      units?.directory ?? '',
      units?.changes ?? [],
      `\`metactl uninstall ${app} --dry-run\` shows the difference`,
    );
  }
  if (!dryRun && options.yes !== true) await confirm(app, items);
  if (!dryRun) {
    if (units !== undefined) await carryOutInstallation(units, options.force === true);
    await host.purge(paths, app);
  }
  const text = purgeText(items, dryRun);
  if (json) print(jsonText({ dryRun, items, ...(dryRun ? runs : {}) }, 2));
  else print(dryRun ? runsText(app, runs) + text : text + kept(paths, app));
}

/** `blocked`: why it is not removed without `--force`. */
type Listed = PurgeItem | { readonly kind: 'unit'; readonly name: string; readonly blocked?: string };

/** One line per thing. Pure. */
export function purgeText(items: readonly Listed[], dryRun: boolean): string {
  const done = dryRun ? 'would remove' : 'removed';
  return items
    .map((one) => {
      const mounts = 'mounts' in one ? (one.mounts ?? []) : [];
      if (dryRun && mounts.length > 0)
        return `would not remove ${one.kind} ${escapeText(one.name)}: mounted at ${mounts.map(escapeText).join(' ')}\n`;
      const blocked = dryRun && 'blocked' in one ? `, with --force: ${one.blocked}` : '';
      return `${done} ${one.kind} ${escapeText(one.name)}${blocked}\n`;
    })
    .join('');
}

/** What runs of an app. */
export interface Runs {
  /** Units that are stopped before they are removed. */
  readonly stops: readonly string[];
  /** Daemons that run elsewhere: nothing is removed while they do. */
  readonly inTheWay: readonly string[];
}

/** @param manager undefined: it has no units of the app. */
async function whatRuns(paths: Paths, app: string, manager: Driven['manager'] | undefined): Promise<Runs> {
  const installed = manager === undefined ? undefined : installedApp(manager, app, paths.nodeId);
  const [states, records] = await Promise.all([
    manager === undefined || installed === undefined ? [] : statesOf(manager, [installed]),
    askStatus(paths, app),
  ]);
  const isUp = ({ state }: UnitState) => state !== 'stopped' && state !== 'failed' && state !== 'disabled';
  const stops = states.filter(isUp).map(({ unit }) => unit);
  return { stops, inTheWay: runningBesideUnits(installed ?? { units: [] }, states, records) };
}

/** One line per unit that would be stopped, and one for what would be in the way. Pure. */
export function runsText(app: string, { stops, inTheWay }: Runs): string {
  const refused =
    inTheWay.length === 0
      ? ''
      : `would refuse: ${app} is running${stops.length === 0 ? '' : ', not in its units'}: ${inTheWay.join(' ')}; metactl stop ${app} stops it\n`;
  return refused + stops.map((unit) => `would stop ${unit}\n`).join('');
}

/** What its units run is ended with them. @throws MetactlError METACTL_RUNNING for what runs beside them. */
function requireOnlyUnits(app: string, { inTheWay }: Runs): void {
  if (inTheWay.length === 0) return;
  throw new MetactlError(`${app} is running, not in its units: ${inTheWay.join(' ')}`, {
    code: 'METACTL_RUNNING',
    step: 'purge the app',
    hint: `stop it first: metactl stop ${app}`,
  });
}

/** Daemons that run although their unit is down, or has another process. Pure. */
export function runningBesideUnits(
  { units }: Pick<InstalledApp, 'units'>,
  states: readonly UnitState[],
  records: readonly StatusRecord[],
): readonly string[] {
  const there = records.filter(({ pid, supervisor }) => pid !== null || supervisor?.kind === 'run');
  const beside = there.filter(({ daemon, supervisor }) => {
    const unit = units.find((one) => one.daemon === undefined || one.daemon === daemon)?.unit;
    const found = states.find((one) => one.unit === unit);
    if (found === undefined || ['stopped', 'failed', 'disabled'].includes(found.state)) return true;
    return found.pid !== undefined && supervisor !== null && found.pid !== supervisor.pid;
  });
  return beside.map(({ daemon }) => daemon);
}

function kept(paths: Paths, app: string): string {
  return `its configuration stays: ${join(paths.nodesDirectory, `${app}.conf`)}\n`;
}

/** @throws MetactlError METACTL_NOT_CONFIRMED (1), METACTL_USAGE (2) where nobody can be asked. */
async function confirm(app: string, items: readonly Listed[]): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new MetactlError('there is nobody to be asked: standard input is no terminal', {
      code: 'METACTL_USAGE',
      hint: 'say --yes, or look with --dry-run',
      exitStatus: EXIT.usage,
    });
  }
  printError(items.map(({ kind, name }) => `  ${kind} ${escapeText(name)}\n`).join(''));
  if ((await askOnTerminal(`remove all of this of ${app}, for good? [y/N]`)) === 'y') return;
  throw new MetactlError('nothing was removed', {
    code: 'METACTL_NOT_CONFIRMED',
    hint: 'answer y to have it removed, or say --yes',
  });
}

function nothing(app: string): MetactlError {
  return new MetactlError(`there is nothing of ${app} to be removed`, {
    code: 'METACTL_NOTHING_TO_PURGE',
    hint: 'its configuration, if it has one, is yours to remove',
    exitStatus: EXIT.noSuchApp,
  });
}
