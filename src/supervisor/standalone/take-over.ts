import { setTimeout as sleep } from 'node:timers/promises';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { ConfigChanges } from '../control/config-changes.ts';
import type { EventHub, EventRecord } from '../control/event-hub.ts';
import { clockOrigin } from '../handover/clock.ts';
import type { Gate } from '../handover/gate.ts';
import { DaemonGroup } from '../state/group.ts';
import type { Dependencies } from '../state/order.ts';
import { type AppState, newAppState, watchFirewall } from './app-state.ts';
import { type HandedUnit, Unit, type UnitOptions } from './unit.ts';

export type Apps = Map<string, AppState>;

/** What of a daemon is paused and handed over. */
export type MovableUnit = Pick<Unit, 'name' | 'hold' | 'pause' | 'resume' | 'handOver'>;

/** The same of an app. */
export interface MovableApp extends Pick<AppState, 'name' | 'dependencies'> {
  readonly units: ReadonlyMap<string, MovableUnit>;
  readonly changes: Pick<ConfigChanges, 'signature' | 'daemons'> | undefined;
  readonly group: Pick<DaemonGroup, 'toStop'> | undefined;
}

type MovableApps = ReadonlyMap<string, MovableApp>;

/** What a supervisor hands over to the process that takes its place. */
export interface HandedSupervisor {
  /** See clockOrigin. */
  readonly origin: number;
  readonly apps: readonly HandedAppState[];
  readonly events: { readonly seq: number; readonly kept: readonly EventRecord[] };
}

interface HandedAppState {
  readonly name: string;
  readonly dependencies: Dependencies;
  /** Of the configuration's files, as they were. */
  readonly signature: string | undefined;
  /** As they are configured. */
  readonly daemons: readonly string[];
  readonly toStop: ReadonlyMap<string, number | undefined>;
  /** In the order of their starts. */
  readonly units: readonly HandedUnit[];
}

/** Pause between two looks whether everything has come to rest. ms */
const PAUSE = 2;

/** See Supervisor.pause; on failure everything is still to be resumed. */
export async function pauseApps(
  apps: MovableApps,
  gates: { verbs: Gate; launches: Gate },
  patience: number,
): Promise<void> {
  const end = performance.now() + patience;
  const until = async (isDone: () => boolean, what: string) => {
    for (; !isDone(); await sleep(PAUSE)) if (performance.now() > end) throw busy(what);
  };
  // Verbs first: they may need launches to come to their end.
  gates.verbs.close();
  await until(() => !gates.verbs.isBusy, 'an app is being prepared or restarted');
  gates.launches.close();
  const units = () => [...apps.values()].flatMap((app) => [...app.units.values()]);
  for (const unit of units()) unit.hold(true);
  await until(() => !gates.launches.isBusy, 'a daemon is being launched');
  for (;;) {
    const moving = () => units().find((unit) => unit.handOver() === undefined);
    // One has ended since it was paused, by this call or one before: the rest of its output must be read first.
    if (moving() !== undefined) resumeApps(apps);
    await until(() => moving() === undefined, `${moving()?.name} is just ending`);
    const left = Math.max(end - performance.now(), 1);
    const written = await Promise.all(units().map((unit) => unit.pause(left)));
    if (written.includes(false)) throw busy('a log takes long to be written');
    if (moving() === undefined) return;
  }
}

export function resumeApps(apps: MovableApps): void {
  for (const { units } of apps.values()) for (const unit of units.values()) unit.resume();
}

/** Once something may be begun again. */
export function releaseApps(apps: MovableApps): void {
  for (const { units } of apps.values()) for (const unit of units.values()) unit.hold(false);
}

/** See Supervisor.handOver. */
export function handOverApps(apps: MovableApps, events: EventHub, partial: boolean): HandedSupervisor | undefined {
  const handed = [...apps.values()].map((app) => ({
    app,
    units: [...app.units.values()].map((one) => one.handOver()),
  }));
  if (!partial && handed.some(({ units }) => units.includes(undefined))) return undefined;
  return {
    origin: clockOrigin(),
    apps: handed.map(({ app, units }) => ({
      name: app.name,
      dependencies: app.dependencies,
      signature: app.changes?.signature,
      daemons: app.changes?.daemons ?? [],
      toStop: app.group?.toStop ?? new Map(),
      units: units.filter((unit) => unit !== undefined),
    })),
    events: { seq: events.seq, kept: events.kept },
  };
}

export interface TakeOver {
  readonly paths: Paths;
  readonly unit: UnitOptions;
  /** A line that begins with `warning: ` is one. */
  readonly say: (of: Pick<Unit, 'app' | 'name'>, line: string) => void;
}

/** See Supervisor.takeOver. All is taken over before anything of it goes on. */
export async function takeOverApps(apps: Apps, handed: HandedSupervisor, options: TakeOver): Promise<void> {
  const by = handed.origin - clockOrigin();
  const units = new Map<HandedUnit, Unit>();
  for (const one of handed.apps) {
    for (const unit of one.units) units.set(unit, await Unit.takeOver(unit, options.unit));
  }
  for (const one of handed.apps) {
    const app = newAppState(one.name);
    apps.set(one.name, app);
    const own = one.units.map((unit) => ({ unit: units.get(unit)!, handed: unit }));
    for (const { unit } of own) app.units.set(unit.name, unit);
    app.dependencies = one.dependencies;
    app.group = new DaemonGroup(
      own.map(({ unit }) => unit.daemon),
      one.dependencies,
    );
    for (const { unit, handed: before } of own) unit.goOn(before, by);
    for (const [name, signal] of one.toStop) app.group.stop([name], signal);
    // What waits for others looks whether they have come.
    app.group.start([]);
    watch(app, one, options);
  }
}

/** What looks on while something of an app runs, and compares with what it was started from. */
function watch(app: AppState, { signature, daemons }: HandedAppState, { paths, unit, say }: TakeOver): void {
  const last = [...app.units.values()].at(-1);
  if (last === undefined) return;
  const { address, address6, directory, plan } = last.spec;
  app.changes = new ConfigChanges(
    paths,
    { app: app.name, directory, daemons },
    { sandbox: true, address, address6 },
    signature,
  );
  if ([...app.units.values()].some(({ handle }) => handle.isOpen)) {
    const log = (line: string) => say({ app: app.name, name: last.name }, line);
    watchFirewall(app, plan.firewall, { host: unit.host, paths, log });
  }
}

function busy(what: string): MetactlError {
  return new MetactlError(`the supervisor can't be replaced now: ${what}`, {
    code: 'METACTL_BUSY',
    hint: 'everything goes on as it was; try again in a moment',
  });
}
