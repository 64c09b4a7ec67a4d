import type { Command } from 'commander';
import { requireAppName } from '../config/names.ts';
import { dependentsOf, statesOf } from '../service/drive.ts';
import { type Instead, requireManager } from '../service/index.ts';
import { installedApp } from '../service/install.ts';
import { type InstalledApp, type UnitState, unitsFor } from '../service/manager.ts';
import { runSteps } from '../service/run-steps.ts';
import { readUnfinished, recordOf, withChoice, writeRecords } from '../service/unfinished.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { jsonText, print, remark } from './print.ts';
import { configuredManager, requireRoot, whileLocked } from './service.ts';
import { notInstalled } from './uninstall.ts';

/** What `enable` and `disable` share. */
export function bootVerb(program: Command, verb: 'enable' | 'disable', description: string): void {
  program
    .command(verb)
    .description(description)
    .argument('<app>', 'the app')
    .argument('[daemon]', 'one daemon of it')
    .addHelpText(
      'after',
      '\nThe app must be installed (`metactl install`). Nothing is started or stopped now.' +
        '\nExit status: 0 done, 1 the service manager refused, 2 no such daemon, 3 not installed, 77 needs root.',
    )
    .action(async (app: string, daemon: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const { paths, json } = context;
      requireAppName(app);
      const manager = await requireManager(configuredManager(paths), insteadOf(verb, app, daemon));
      requireRoot(`${verb} apps`);
      const units = await whileLocked(context, { apps: [app] }, async () => {
        const installed = installedApp(manager, app, paths.nodeId);
        if (installed.units.length === 0) throw notInstalled(app, manager.directory);
        requireUnit(installed, daemon);
        const chosen = unitsFor(installed, daemon);
        keepChoice(paths, verb, { installed, directory: manager.directory }, daemon === undefined ? undefined : chosen);
        await runSteps(manager.control[verb](installed, daemon));
        if (verb === 'disable' && daemon !== undefined) {
          tellStarters(app, daemon, needersOf(installed, daemon, await statesOf(manager, [installed])));
        }
        return chosen;
      });
      if (json) print(jsonText({ app, units, enabled: verb === 'enable' }));
      else print(`${daemon === undefined ? app : `${app}/${daemon}`} ${verb}d\n`);
    });
}

/** What is enabled and has the service manager start this daemon with it, in the order of their units. Pure. */
export function needersOf({ units }: InstalledApp, daemon: string, states: readonly UnitState[]): readonly string[] {
  const reached = dependentsOf(
    units.filter((one) => one.daemon === daemon),
    states,
  );
  const enabled = (name: string) => states.some((one) => one.unit === name && one.enabled === true);
  return units.flatMap((one) =>
    one.daemon !== daemon && reached.has(one.unit) && enabled(one.unit) ? (one.daemon ?? []) : [],
  );
}

function tellStarters(app: string, daemon: string, needers: readonly string[]): void {
  if (needers.length === 0) return;
  const names = needers.map((one) => `${app}/${one}`).join(' ');
  const [is, it] = needers.length === 1 ? ['is', 'needs'] : ['are', 'need'];
  remark(
    `${names} ${it} ${app}/${daemon} and ${is} enabled: boot starts it with ${needers.length === 1 ? 'it' : 'them'} all the same`,
  );
}

/** An installation that was not completed is completed as it is wanted now. @param chosen undefined: all. */
function keepChoice(
  { lib }: Paths,
  verb: 'enable' | 'disable',
  { installed, directory }: { readonly installed: InstalledApp; readonly directory: string },
  chosen: readonly string[] | undefined,
): void {
  const begun = readUnfinished(lib, installed.app, directory);
  if (begun === undefined) return;
  const after = withChoice(begun, unitsFor(installed, undefined), chosen, verb === 'enable');
  writeRecords([recordOf(lib, installed.app, after)]);
}

/** What to do where no manager does it for metactl. Pure. */
export function insteadOf(verb: 'enable' | 'disable', app: string, daemon: string | undefined): Instead {
  return (manager) => {
    const unit = `metactl.${app}${daemon === undefined ? '.DAEMON' : `.${daemon}`}`;
    switch (manager) {
      case 'openrc':
        return `once its files are installed: rc-update ${verb === 'enable' ? 'add' : 'delete'} ${unit} default`;
      case 'runit':
      case 's6':
        return verb === 'enable'
          ? `once its files are installed: link the directory ${unit} to where ${manager} looks for services`
          : `remove the link to the directory ${unit} from where ${manager} looks for services`;
      default:
        return verb === 'enable'
          ? 'metactl install --node has the supervisor of this node started at boot, and with it all apps'
          : 'what the supervisor of this node starts at boot are all apps without units; metactl stop stops one until then';
    }
  };
}

/** @throws MetactlError METACTL_NO_DAEMON (2) where no unit is that daemon's alone. */
export function requireUnit({ app, units }: InstalledApp, daemon: string | undefined): void {
  if (daemon === undefined || units.some((one) => one.daemon === daemon)) return;
  const single = units.some((one) => one.daemon === undefined);
  throw new MetactlError(
    single ? `${app} has one unit for all its daemons` : `${app} has no unit for a daemon \`${daemon}\``,
    {
      code: 'METACTL_NO_DAEMON',
      hint: single
        ? `leave the daemon out, which means all of them; a daemon has a unit of its own without \`[service] unit = app\` and another metactl install ${app}`
        : `it has ${units.map((one) => one.daemon).join(' ')}; metactl install makes those of the configuration`,
      exitStatus: EXIT.usage,
    },
  );
}
