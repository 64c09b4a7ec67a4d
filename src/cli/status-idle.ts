import { inspectDaemons } from '../config/load.ts';
import { inspectNode } from '../config/node-config.ts';
import type { Driven } from '../service/drive.ts';
import { idleRecord, type StatusRecord } from '../supervisor/control/status-record.ts';
import { knownDaemons } from '../supervisor/prepare.ts';
import type { Paths } from '../util/paths.ts';

/**
 * The daemons of apps that no supervisor has, by their configuration.
 * @param asked what the command line named; then it is an error if there is none. @throws MetactlError 4, 2, 78
 */
export function idleRecords(
  paths: Paths,
  apps: readonly string[],
  asked: { readonly daemon: string | undefined } | undefined,
): StatusRecord[] {
  const { node } = inspectNode(paths);
  return apps.flatMap((app) => {
    const daemons = asked === undefined ? inspectDaemons(paths, app, node) : knownDaemons(paths, app, asked.daemon);
    return daemons.map((daemon) => idleRecord({ node: node.name, app, daemon }));
  });
}

/**
 * The same, with what the service manager knows about their units: one that gave up, or is about to start again.
 * @param driven apps that it has. @throws MetactlError of the manager.
 */
export async function withUnits(records: readonly StatusRecord[], driven: readonly Driven[]): Promise<StatusRecord[]> {
  const { statesOf } = await import('../service/drive.ts');
  const manager = driven[0]?.manager;
  if (manager === undefined) return [...records];
  const states = await statesOf(
    manager,
    driven.map(({ installed }) => installed),
  );
  return records.map((record) => {
    const units = driven.find(({ installed }) => installed.app === record.app)?.installed.units ?? [];
    const unit = units.find(({ daemon }) => (daemon ?? record.daemon) === record.daemon)?.unit;
    const found = states.find((one) => one.unit === unit);
    return found === undefined ? record : { ...record, state: found.state, reason: found.reason ?? record.reason };
  });
}
