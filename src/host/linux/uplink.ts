import { readFileSync } from 'node:fs';
import type { NodeConfig } from '../../config/types.ts';
import { MetactlError } from '../../util/error.ts';
import type { Paths } from '../../util/paths.ts';
import { defaultDevice } from './default-device.ts';
import { networkAddon } from './network-native.ts';
import { madeOf } from './record.ts';

/** The device by which the network reaches the apps. */
export interface Uplink {
  readonly name: string;
  readonly index: number;
  readonly forwarding: boolean;
  readonly configured: boolean;
}

/** What a device may be called to be an uplink: its name goes into the nft rules and into paths below /proc/sys. */
const DEVICE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;

/**
 * `[network] uplink`, or the device of the default route. The latter is looked up once: the node's running apps keep one
 * uplink, and the table grows with every app.
 * @throws MetactlError METACTL_NO_UPLINK (1: it may come, as at boot) where there is none.
 */
export function findUplink(paths: Paths, node: NodeConfig): Uplink {
  if (node.uplink !== undefined) {
    const found = lookUp(node.uplink, true);
    if (found !== undefined) return found;
    throw new MetactlError(`the uplink \`${node.uplink}\` isn't there`, {
      code: 'METACTL_NO_UPLINK',
      step: 'find the uplink',
      path: paths.metactlConf,
      hint: 'set [network] uplink to the device that the pool is reached by; `ip -br link` lists them',
    });
  }
  const known = madeOf(paths, undefined, 'uplink').find((one) => !one.configured);
  const found =
    (known && lookUp(known.name, false)) ?? lookUp(defaultDevice(readFileSync('/proc/net/route', 'utf8')) ?? '', false);
  if (found !== undefined) return found;
  throw new MetactlError('there is a [network] pool but no default route to tell the uplink', {
    code: 'METACTL_NO_UPLINK',
    step: 'find the uplink',
    path: paths.metactlConf,
    hint: 'set [network] uplink to the device that the pool is reached by',
  });
}

/** Whether a device's name may go into nft rules and into paths below /proc/sys. Pure. */
export function isDeviceName(name: string): boolean {
  return DEVICE.test(name);
}

/**
 * The device by which apps behind the host's address get out: `[network] uplink`, or that of the default route as it is
 * now; a node's running apps may have used another before. @returns undefined where there is no such route.
 * @throws MetactlError METACTL_NO_UPLINK (1) where the configured one isn't there.
 */
export function findOutlet(paths: Paths, node: NodeConfig): Uplink | undefined {
  if (node.uplink !== undefined) return findUplink(paths, node);
  return lookUp(defaultDevice(readFileSync('/proc/net/route', 'utf8')) ?? '', false);
}

function lookUp(name: string, configured: boolean): Uplink | undefined {
  if (!DEVICE.test(name)) return undefined;
  const link = networkAddon().readLink(name);
  return link === undefined ? undefined : { name, index: link.index, forwarding: link.forwarding, configured };
}
