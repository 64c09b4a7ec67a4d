import { NO_SANDBOX_FILE } from '../config/no-sandbox.ts';
import type { Host } from '../host/host.ts';
import type { Paths } from '../util/paths.ts';
import { hangUpSignal } from './hang-up.ts';
import { logSettings } from './logs/settings.ts';
import type { Prepared } from './prepare.ts';
import { type PackedSpec, type UnitSpec, unitSpec, unpackSpec } from './standalone/unit-spec.ts';
import { type Dependencies, dependenciesOf } from './state/order.ts';

/** All that a `run` needs to know of what was prepared. Plain data but for the host. */
export interface RunSpec {
  readonly app: string;
  readonly paths: Paths;
  readonly host: Host;
  /** False for `--no-sandbox`, which has a configuration of its own. */
  readonly sandboxed: boolean;
  /** In the order of the plans, at least one. */
  readonly units: readonly UnitSpec[];
  readonly dependencies: Dependencies;
  /** What SIGHUP is for each daemon, see hangUpSignal. */
  readonly hangUp: ReadonlyMap<string, number>;
}

/** Pure. @param journal lines go to the journal unless `log.to` says otherwise; else they are passed on. */
export function runSpec(prepared: Prepared, journal: boolean): RunSpec {
  const { paths, host, config, plans } = prepared;
  const names = plans.map(({ daemon }) => daemon);
  const signals = names.flatMap((name) => {
    const signal = hangUpSignal(config, name);
    return signal === undefined ? [] : [[name, signal] as const];
  });
  return {
    ...{ app: config.app, paths, host },
    sandboxed: config.setting('sandbox', 'enabled')?.origin.file !== NO_SANDBOX_FILE,
    units: plans.map((plan) => ({
      ...unitSpec(prepared, plan),
      log: logSettings(config, plan.daemon, journal ? 'journal' : 'stdout'),
    })),
    dependencies: dependenciesOf(config, names),
    hangUp: new Map(signals),
  };
}

/** What of it the process that takes this one's place can't take from the units. */
export interface PackedRun extends Pick<RunSpec, 'sandboxed' | 'hangUp'> {}

/** @throws MetactlError METACTL_HANDOVER */
export async function unpackRun(
  host: Host,
  app: { readonly name: string; readonly dependencies: Dependencies; readonly units: readonly { spec: PackedSpec }[] },
  { sandboxed, hangUp }: PackedRun,
): Promise<RunSpec> {
  const units: UnitSpec[] = [];
  for (const { spec } of app.units) units.push(await unpackSpec(spec));
  const { paths } = units[0]!.request;
  return { app: app.name, paths, host, sandboxed, units, dependencies: app.dependencies, hangUp };
}
