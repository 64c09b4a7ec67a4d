import { existsSync } from 'node:fs';
import { loadApp } from '../config/load.ts';
import { inspectNode } from '../config/node-config.ts';
import type { LoadedConfig } from '../config/types.ts';
import { platforms } from '../platform/index.ts';
import type { Driven, DrivenVerb, Driving } from '../service/drive.ts';
import type { managerHere } from '../service/index.ts';
import type { InstalledApp } from '../service/manager.ts';
import { misfitsOf, remover, withoutGone } from '../service/misfits.ts';
import { askRunning, askStatus } from '../supervisor/control/ask-all.ts';
import type { StatusRecord } from '../supervisor/control/status-record.ts';
import { EXIT, MetactlError, messageLine } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { requireUnit } from './boot-verb.ts';
import type { UnitOutcome } from './lifecycle.ts';
import { remark } from './print.ts';
import { requireRoot } from './service.ts';

/** Apps whose units the service manager has: `start`, `stop` and `restart` leave them to it. */

let manager: ReturnType<typeof managerHere> | undefined;

/**
 * The service manager, where it has units of the app; undefined: metactl's own supervisor keeps it.
 * @throws MetactlError METACTL_NEEDS_ROOT (77)
 */
export async function driver(paths: Paths, app: string): Promise<Driven | undefined> {
  const [{ managerHere }, { drivenBy }] = await Promise.all([
    import('../service/index.ts'),
    import('../service/drive.ts'),
  ]);
  // One look is enough, also for `all`.
  manager ??= managerHere(inspectNode(paths).node.serviceManager);
  return drivenBy(await manager, app, paths.nodeId);
}

/** The same for many apps: its directory is read once. @throws MetactlError METACTL_NEEDS_ROOT (77) */
export async function drivers(paths: Paths, apps: readonly string[]): Promise<readonly Driven[]> {
  const [{ managerHere }, { installedApps }] = await Promise.all([
    import('../service/index.ts'),
    import('../service/install.ts'),
  ]);
  manager ??= managerHere(inspectNode(paths).node.serviceManager);
  const here = await manager;
  if (here === undefined) return [];
  const found = installedApps(here, apps, paths.nodeId).filter(({ units }) => units.length > 0);
  return found.map((installed) => ({ manager: here, installed }));
}

/**
 * Has the service manager do it. @returns undefined where nothing of it runs by its hands.
 * @throws MetactlError 2 no unit for this daemon, 77 needs root, 78 a configuration that nothing could be started with.
 */
export async function driveUnits(
  paths: Paths,
  verb: DrivenVerb,
  driven: Driven,
  { daemon, wait }: { readonly daemon: string | undefined; readonly wait: boolean },
): Promise<UnitOutcome | undefined> {
  const { app } = driven.installed;
  requireRoot(`${verb} ${app}`);
  // A configuration with errors must not stop what runs.
  const config = verb === 'stop' ? undefined : loadApp(paths, app, platforms);
  if (config !== undefined) tellMisfits(driven.installed, config, daemon);
  // What of several in one unit is up is its supervisor's business.
  if (driven.installed.units.every((one) => one.daemon === undefined)) {
    if (verb !== 'start' && daemon !== undefined) return undefined;
    const started = verb === 'start' ? await startInUnit(paths, driven, { daemon, wait }) : undefined;
    if (started !== undefined) return started;
  }
  requireUnit(driven.installed, daemon);
  const able = config === undefined ? driven : ableToStart(driven, config, daemon);
  if (verb === 'start') requireElsewhereStopped(app, await askStatus(paths, app, daemon));
  const { drive } = await import('../service/drive.ts');
  const daemons = await drive(verb, able, daemon, wait, remark);
  if (config !== undefined && wait && driven.manager.control.knowsReady !== true) {
    await untilStartedReady(paths, able, daemons ?? [], config.daemons);
  }
  if (verb === 'stop' && wait && daemon === undefined && daemons !== undefined) await clearAway(paths, app);
  return daemons === undefined ? undefined : { daemons };
}

/** A supervisor that was killed before the stop has left what systemd knows nothing of. Never rejects. */
async function clearAway(paths: Paths, app: string): Promise<void> {
  // The last of an app's daemons takes it away.
  if (!existsSync(paths.runApp(app))) return;
  try {
    const { host } = await import('../host/index.ts');
    await (await host()).collectGarbage(paths, { dryRun: false, app });
  } catch (error) {
    remark(`${app} is stopped, but something of it is left (metactl gc tries again): ${messageLine(error)}`);
  }
}

/**
 * Without units that could only fail, since their daemons are not in the configuration any more: a restart must not end for good what
 * runs. Pure.
 * @throws MetactlError METACTL_NO_DAEMON (2) where nothing else was asked for.
 */
export function ableToStart(driven: Driven, config: Pick<LoadedConfig, 'daemons'>, asked: string | undefined): Driven {
  const installed = withoutGone(driven.installed, config.daemons);
  const { app, units } = installed;
  if (units.some(({ daemon }) => asked === undefined || daemon === asked)) return { ...driven, installed };
  const what = asked === undefined ? `no daemon of ${app} that has a unit` : `${app}/${asked} has a unit, and`;
  throw new MetactlError(`${what} is ${asked === undefined ? '' : 'not '}in the configuration any more`, {
    code: 'METACTL_NO_DAEMON',
    step: 'start the units',
    hint: `${remover(app, config.daemons)} removes what is gone${config.daemons.length === 0 ? '' : ', and makes the units of the configuration'}`,
    exitStatus: EXIT.usage,
  });
}

/** The service manager starts what was installed. Of a daemon that was asked for and has no unit the error tells. */
function tellMisfits(installed: InstalledApp, config: LoadedConfig, asked: string | undefined): void {
  const wanted = { daemons: config.daemons, single: config.text('service', 'unit') === 'app' };
  for (const { daemon, text } of misfitsOf(installed, wanted)) {
    const isMeant = daemon === asked && installed.units.some((one) => one.daemon === daemon);
    if (asked === undefined || isMeant) remark(text);
  }
}

/** Of units that were running before nothing is waited for. */
async function untilStartedReady(
  paths: Paths,
  driven: Driven,
  outcome: readonly Driving[],
  configured: readonly string[],
): Promise<void> {
  const started = outcome.filter(({ done }) => done !== 'was running').map(({ daemon }) => daemon);
  const units = driven.installed.units.filter((one) => started.includes(one.daemon));
  if (units.length === 0) return;
  const { untilReady } = await import('./until-ready.ts');
  const daemons = units.flatMap(({ daemon, unit }) =>
    (daemon === undefined ? configured : [daemon]).map((name) => ({ daemon: name, unit })),
  );
  await untilReady(paths, driven, daemons);
}

/** Starts what does not run of the daemons of a unit that is up. @returns undefined where it is not. */
async function startInUnit(
  paths: Paths,
  driven: Driven,
  asked: { readonly daemon: string | undefined; readonly wait: boolean },
): Promise<UnitOutcome | undefined> {
  if (!(await isAnyUp(driven))) return undefined;
  const answers = await askRunning(paths, 'start', { app: driven.installed.app, ...asked });
  const daemons = (answers as readonly UnitOutcome[]).flatMap((one) => one.daemons);
  return daemons.length === 0 ? undefined : { daemons };
}

/** Whether the service manager runs anything of it. */
export async function isAnyUp({ manager, installed }: Driven): Promise<boolean> {
  const { statesOf } = await import('../service/drive.ts');
  return (await statesOf(manager, [installed])).some(({ state }) => state !== 'stopped' && state !== 'failed');
}

/**
 * A unit of what another supervisor runs could only fail, and would try again for ever. Pure.
 * @throws MetactlError METACTL_ALREADY_RUNNING
 */
export function requireElsewhereStopped(app: string, records: readonly StatusRecord[]): void {
  const there = records.filter(({ pid, supervisor }) => pid !== null && supervisor?.kind === 'standalone');
  if (there.length === 0) return;
  const names = there.map(({ daemon }) => `${app}/${daemon}`).join(' ');
  throw new MetactlError(`${names} ${there.length === 1 ? 'is' : 'are'} kept by the supervisor of this node`, {
    code: 'METACTL_ALREADY_RUNNING',
    step: 'start the units',
    hint: `stop it there first: metactl stop ${app}; then its units can be started`,
  });
}
