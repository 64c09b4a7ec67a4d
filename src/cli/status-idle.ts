import { inspectDaemons } from '../config/load.ts';
import { inspectNode } from '../config/node-config.ts';
import type { NodeConfig } from '../config/types.ts';
import type { Driven } from '../service/drive.ts';
import type { InstalledApp, UnitState } from '../service/manager.ts';
import { type Misfit, misfitsOf } from '../service/misfits.ts';
import { idleRecord, type StatusRecord } from '../supervisor/control/status-record.ts';
import { knownDaemons } from '../supervisor/prepare.ts';
import { lastWordsOf } from '../supervisor/service/words.ts';
import type { Paths } from '../util/paths.ts';

/** What supervisors told, and what may be missing in it. */
export interface Told {
  readonly known: readonly StatusRecord[];
  /** Apps that no supervisor has. */
  readonly idle: readonly string[];
  /** Apps that may have units, with supervisors or without. */
  readonly united: readonly string[];
  /** What the command line named; then it is an error if there is none. */
  readonly asked: { readonly daemon: string | undefined } | undefined;
}

/** What `metactl status` tells. */
export interface Whole {
  readonly records: readonly StatusRecord[];
  /** Units that are not those of the configuration. */
  readonly misfits: readonly Misfit[];
}

/**
 * The records of all daemons: those of supervisors, of units without one (that failed, or were never started) with what the service
 * manager knows about them, and of apps that nobody has, by their configuration. Sorted by app.
 * @throws MetactlError 4 no such app, 2 no such daemon, 77 needs root, 78; what the manager says.
 */
export async function wholeStatus(paths: Paths, { known, idle, united, asked }: Told): Promise<Whole> {
  const { node } = inspectNode(paths);
  const driven = united.length === 0 ? [] : await (await import('./units.ts')).drivers(paths, united);
  const apps = new Map(driven.map(({ installed }) => [installed.app, installed]));
  const records = [...known];
  const misfits: Misfit[] = [];
  for (const app of idle.filter((one) => !apps.has(one))) {
    const daemons = asked === undefined ? inspectDaemons(paths, app, node) : knownDaemons(paths, app, asked.daemon);
    records.push(...daemons.map((daemon) => idleRecord({ node: node.name, app, daemon })));
  }
  for (const installed of apps.values()) {
    const own = known.filter(({ app }) => app === installed.app);
    const configured = configuredDaemons(paths, installed.app, node, own.length > 0);
    const more = unitRecords({ node: node.name, known: own, configured, installed, daemon: asked?.daemon });
    // Says what is wrong.
    if (own.length + more.length === 0 && asked !== undefined) knownDaemons(paths, installed.app, asked.daemon);
    records.push(...more);
    if (configured !== undefined) misfits.push(...misfitsOf(installed, { daemons: configured }));
  }
  const sorted = records.sort((a, b) => (a.app < b.app ? -1 : a.app > b.app ? 1 : 0));
  return {
    records: await withUnits(sorted, driven),
    misfits: misfits.filter((one) => (asked?.daemon ?? one.daemon) === one.daemon),
  };
}

/** @returns undefined where nobody can tell, and the app runs. @throws MetactlError as `inspectDaemons`. */
function configuredDaemons(paths: Paths, app: string, node: NodeConfig, runs: boolean): readonly string[] | undefined {
  try {
    return inspectDaemons(paths, app, node);
  } catch (error) {
    if (runs) return undefined;
    throw error;
  }
}

/** What is known about an app that has units. */
export interface UnitApp {
  readonly node: string;
  readonly known: readonly StatusRecord[];
  /** Undefined: not known. */
  readonly configured: readonly string[] | undefined;
  readonly installed: InstalledApp;
  /** Only this one is asked for. */
  readonly daemon: string | undefined;
}

/** Records of daemons of the configuration, and of units, that no supervisor told of. Pure. */
export function unitRecords({ node, known, configured, installed, daemon: only }: UnitApp): StatusRecord[] {
  const { app, units } = installed;
  const all = new Set([...(configured ?? []), ...units.flatMap(({ daemon }) => daemon ?? [])]);
  const missing = [...all].filter(
    (daemon) => (only ?? daemon) === daemon && !known.some((record) => record.daemon === daemon),
  );
  return missing.map((daemon) => ({
    ...idleRecord({ node, app, daemon }),
    configured: configured?.includes(daemon) ?? true,
  }));
}

/**
 * The same records, with what the service manager knows about units that nobody runs: one that gave up, or is about to start again.
 * It is asked only where there are any.
 * @param driven apps that it has. @throws MetactlError of the manager.
 */
export async function withUnits(
  records: readonly StatusRecord[],
  driven: readonly Driven[],
): Promise<readonly StatusRecord[]> {
  const asked = driven.filter(({ installed }) =>
    records.some((record) => record.app === installed.app && unitOf(record, records, installed) !== undefined),
  );
  const manager = asked[0]?.manager;
  if (manager === undefined) return records;
  const { statesOf } = await import('../service/drive.ts');
  const apps = asked.map(({ installed }) => installed);
  return withStates(records, apps, await statesOf(manager, apps));
}

/** Pure. */
export function withStates(
  records: readonly StatusRecord[],
  apps: readonly InstalledApp[],
  states: readonly UnitState[],
): readonly StatusRecord[] {
  return records.map((record) => {
    const installed = apps.find(({ app }) => app === record.app);
    const unit = installed === undefined ? undefined : unitOf(record, records, installed);
    const found = unit === undefined ? undefined : states.find((one) => one.unit === unit.name);
    if (found === undefined || (found.state === record.state && found.reason === undefined)) return record;
    // A unit that was never started says nothing about a daemon that gave up before it had one.
    if (found.state === 'stopped' && record.state !== 'stopped') return record;
    // The supervisor in it would have told of this daemon, if it had it.
    if (unit?.isShared === true && ['running', 'reloading'].includes(found.state)) return record;
    // Of a supervisor that only knew it once, nothing holds any more.
    const { configured } = record;
    const idle = { ...idleRecord(record), configured };
    // One unit of several tells of each: those that were stopped have not failed.
    const own = unit?.isShared === true ? lastWordsOf(found.reason ?? '', record.daemon) : undefined;
    if (own !== undefined) return { ...idle, state: own.state, reason: own.reason ?? null };
    return { ...idle, state: found.state, reason: found.reason ?? record.reason };
  });
}

/** A supervisor that has nothing to do with a daemon any more. */
const AT_REST: ReadonlySet<string> = new Set(['stopped', 'failed', 'maintenance']);

/**
 * The unit that knows better how a daemon is; undefined: there is none, or somebody runs the daemon. One unit for all daemons does not
 * know about one of them while others have a supervisor. Pure.
 */
function unitOf(
  { app, daemon, pid, state, supervisor }: StatusRecord,
  records: readonly StatusRecord[],
  { units }: InstalledApp,
): { readonly name: string; readonly isShared: boolean } | undefined {
  if (pid !== null || !AT_REST.has(state) || supervisor?.kind === 'run') return undefined;
  const own = units.find((one) => one.daemon === daemon);
  if (own !== undefined) return { name: own.unit, isShared: false };
  const shared = units.find((one) => one.daemon === undefined);
  const runs = records.some((one) => one.app === app && one.supervisor?.kind === 'run');
  return shared === undefined || runs ? undefined : { name: shared.unit, isShared: true };
}
