import { inspectNode } from '../config/node-config.ts';
import { host as hostOfThisMachine } from '../host/index.ts';
import { onlyAsked } from '../supervisor/standalone/only-asked.ts';
import type { Paths } from '../util/paths.ts';
import { requireRoot } from './service.ts';

/**
 * Has the service manager start the supervisor of this node, where it has a unit for it (`install --node`): one that is started
 * past it would be in its way, and would not be kept. @returns false where it has none, or only a script that calls `metactl start`.
 * @throws MetactlError of the manager.
 */
export async function startNodeUnit(paths: Paths): Promise<boolean> {
  const { nodeUnitHere } = await import('../service/index.ts');
  const driven = await nodeUnitHere(inspectNode(paths).node.serviceManager, paths.nodeId);
  if (driven === undefined) return false;
  requireRoot('start the supervisor of this node');
  const { runSteps } = await import('../service/run-steps.ts');
  // The first one since boot is the boot's: it starts all apps.
  const takeBack = (await hostOfThisMachine()).wasSupervised(paths) ? onlyAsked(paths) : () => {};
  try {
    await runSteps(driven.manager.control.start(driven.installed, undefined, true));
  } catch (error) {
    takeBack();
    throw error;
  }
  return true;
}
