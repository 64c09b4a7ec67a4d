import { inspectApp } from '../config/load.ts';
import { inspectNode } from '../config/node-config.ts';
import { platforms } from '../platform/index.ts';
import { idleRecord, type StatusRecord } from '../supervisor/control/status-record.ts';
import { chooseDaemons } from '../supervisor/prepare.ts';
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
  const node = inspectNode(paths).node.name;
  return apps.flatMap((app) => {
    const { config } = inspectApp(paths, app, platforms);
    const daemons = asked === undefined ? config.daemons : chooseDaemons(config, asked.daemon);
    return daemons.map((daemon) => idleRecord({ node, app, daemon }));
  });
}
