import type { AppConfig, NodeConfig } from '../config/types.ts';
import type { Lease } from '../host/host.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { objectName, type Paths } from '../util/paths.ts';
import { formatPublish, type PublishedPort, parsePublishList } from '../util/publish.ts';
import { isSandboxed, isWithoutSandbox } from './enabled.ts';
import type { NetworkPlan } from './plan.ts';

/** What an app's network will be, before it has addresses. */
export interface NetworkChoice {
  readonly mode: 'routed' | 'nat' | 'host' | 'none';
  /** It gets an IPv6 address too. */
  readonly ipv6: boolean;
}

/**
 * The mode that is configured, else the one that the pool gives: `routed` for a pool with IPv4, `nat` without. A pool's
 * IPv6 is for every app that did not ask for `nat` itself. Pure.
 * @throws MetactlError METACTL_NO_POOL (78) for `routed` without a pool.
 */
export function chooseNetwork(config: AppConfig, node: Pick<NodeConfig, 'pool'>): NetworkChoice {
  if (!isSandboxed(config)) return { mode: 'none', ipv6: false };
  const mode = config.text('sandbox.net', 'mode');
  if (mode === 'none' || mode === 'host') return { mode, ipv6: false };
  if (mode === 'nat') return { mode, ipv6: false };
  const ipv6 = node.pool.some(isIpv6);
  if (node.pool.some((word) => !isIpv6(word))) return { mode: 'routed', ipv6 };
  if (mode === undefined) return { mode: 'nat', ipv6 };
  throw new MetactlError('[sandbox.net] mode = routed needs a [network] pool with IPv4 addresses', {
    code: 'METACTL_NO_POOL',
    step: 'plan the network',
    hint: 'set [network] pool in metactl.conf, or leave the mode out: without a pool it is nat',
    exitStatus: EXIT.configuration,
  });
}

/** Whether the app has addresses of its own. Pure. */
export function hasAddress({ mode }: NetworkChoice): boolean {
  return mode === 'routed' || mode === 'nat';
}

/**
 * The app's network as configured. Pure.
 * @throws MetactlError (78): METACTL_NO_IPV6 where an IPv6 address of the host is to lead to an app without one;
 *   METACTL_CANT_PUBLISH where the app has no address at all.
 */
export function planNetwork(
  paths: Paths,
  config: AppConfig,
  { mode }: NetworkChoice,
  lease: Lease,
  hostLink: string,
): NetworkPlan {
  const publish = parsePublishList(config.words('sandbox.net', 'publish') ?? []) ?? [];
  if (publish.length > 0 && (mode === 'host' || mode === 'none') && !isWithoutSandbox(config)) {
    throw pointless(isSandboxed(config) ? `mode = ${mode}` : '[sandbox] enabled = no');
  }
  if (mode === 'host') return { mode };
  if (mode === 'none' || lease.address === undefined) return { mode: 'none' };
  const lost = publish.find(({ host }) => host?.includes(':') && lease.address6 === undefined);
  if (lost !== undefined) throw noIpv6(lost);
  return {
    mode,
    netns: objectName(paths, config.app),
    hostLink,
    address: lease.address,
    ...(lease.address6 === undefined ? {} : { address6: lease.address6 }),
    alias: `metactl:${config.app}`,
    ...(publish.length === 0 ? {} : { publish }),
  };
}

function pointless(setting: string): MetactlError {
  return new MetactlError(`[sandbox.net] publish needs an address of the app's own, but ${setting} gives none`, {
    code: 'METACTL_CANT_PUBLISH',
    step: 'plan the network',
    hint:
      setting === 'mode = none'
        ? 'leave publish out, or the mode'
        : 'leave publish out: the app listens on the host itself',
    exitStatus: EXIT.configuration,
  });
}

function noIpv6(port: PublishedPort): MetactlError {
  return new MetactlError(
    `[sandbox.net] publish: ${formatPublish(port)} needs an IPv6 address of the app, which has none`,
    {
      code: 'METACTL_NO_IPV6',
      step: 'plan the network',
      hint: 'add an IPv6 network to [network] pool in metactl.conf, or publish on an IPv4 address',
      exitStatus: EXIT.configuration,
    },
  );
}

function isIpv6(word: string): boolean {
  return word.includes(':');
}
