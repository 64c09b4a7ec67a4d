import { dependentsOf } from './drive.ts';
import type { InstalledApp, RunStep } from './manager.ts';
import { namesOf, needsIn, readShown, systemd } from './systemd.ts';

/**
 * Units that systemd did not start because what they require failed at its first start. It starts the failed one again
 * (`Restart=`), but the jobs of the others ended with `dependency`, and it begins no new ones (systemd.unit(5), `Requires=`).
 */

const SHOWN = [
  ...['Id', 'ActiveState', 'Requires', 'Job', 'NRestarts'],
  ...['ActiveEnterTimestampMonotonic', 'InactiveEnterTimestampMonotonic'],
].join();

/** What is to be known about an app's units. Pure. */
export function askAboutDependents({ app, nodeId, units }: InstalledApp): RunStep {
  const { target } = namesOf(app, nodeId);
  return { argv: ['systemctl', 'show', `--property=${SHOWN}`, '--', target, ...units.map(({ unit }) => unit)] };
}

/**
 * Those to be started now that this daemon is up, which was started again by systemd itself: they were to come with their target,
 * did not, and nobody has stopped them since. Pure.
 * @param output of `askAboutDependents`.
 */
export function unitsLeftBehind(
  { app, nodeId, units }: InstalledApp,
  daemon: string,
  output: string,
): readonly string[] {
  const facts = new Map(readShown(output).map((one) => [one.facts.get('Id') ?? '', one.facts]));
  const own = units.find((one) => one.daemon === daemon)?.unit ?? '';
  const target = facts.get(namesOf(app, nodeId).target);
  if (!(Number(facts.get(own)?.get('NRestarts')) > 0) || target?.get('ActiveState') !== 'active') return [];
  const since = Number(target.get('ActiveEnterTimestampMonotonic'));
  const needing = [...facts].map(([unit, of]) => ({ unit, needs: needsIn(of) }));
  const reached = dependentsOf([{ unit: own }], needing);
  return units.flatMap(({ unit }) => {
    const of = facts.get(unit);
    const isLeft =
      of?.get('ActiveState') === 'inactive' &&
      // 0: none.
      !(Number(of.get('Job') ?? 0) > 0) &&
      Number(of.get('InactiveEnterTimestampMonotonic')) < since;
    return unit !== own && reached.has(unit) && isLeft ? [unit] : [];
  });
}

/** Pure. */
export function startThem(units: readonly string[]): RunStep {
  return { argv: ['systemctl', '--no-block', 'start', '--', ...units] };
}

/** Whether it is systemd that keeps them. Pure. */
export function isSystemd({ name }: { readonly name: string }): boolean {
  return name === systemd.name;
}
