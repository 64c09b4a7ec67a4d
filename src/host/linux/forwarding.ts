import { readFileSync } from 'node:fs';
import { EXIT, MetactlError } from '../../util/error.ts';
import { parseIpv6Defaults } from './pool6.ts';
import { readSysctl } from './sysctl.ts';
import { isDeviceName, type Uplink } from './uplink.ts';

/** What the networks of a node need of the host. */
export interface BaseNeed {
  /** Absent: nothing leaves the host. */
  readonly uplink?: Uplink;
  /** The uplink answers for apps' IPv4 addresses. */
  readonly proxy: boolean;
  readonly ipv6: boolean;
  /** Apps behind the host's address, or published ports. */
  readonly nat: boolean;
}

export interface SysctlValue {
  /** The path below /proc/sys. */
  readonly key: string;
  readonly value: string;
}

/** What of the host decides how IPv6 is forwarded. */
export interface Ipv6Facts {
  /** The kernel forwards per device (`force_forwarding`, Linux 6.17). */
  readonly perDevice: boolean;
  /** Devices with a default route from router advertisements. */
  readonly advertised: readonly string[];
  /** Values of accept_ra, by device; those and the uplink's. */
  readonly acceptRa: Readonly<Record<string, string>>;
  /** Devices whose `forwarding` is 1; asked for only without `perDevice`. */
  readonly routers: readonly string[];
}

/**
 * Sysctls for the need, in the order in which they are to be set. Those of the host that are global stay as they are,
 * but for two of IPv6: `proxy_ndp`, without which unicast solicitations aren't answered (it touches only addresses with
 * a proxy entry), and `forwarding` on kernels that have no other switch. Pure.
 */
export function sysctlsFor({ uplink, proxy, ipv6 }: BaseNeed, facts: Ipv6Facts | undefined): SysctlValue[] {
  if (uplink === undefined) return [];
  return [
    { key: `net/ipv4/conf/${uplink.name}/forwarding`, value: '1' },
    ...(proxy ? [{ key: `net/ipv4/neigh/${uplink.name}/proxy_delay`, value: '0' }] : []),
    ...(ipv6 && facts !== undefined ? ipv6Sysctls(uplink.name, facts) : []),
  ];
}

/**
 * A device that forwards drops what it has from router advertisements, and every switch to forwarding takes the routes
 * of all devices that do not insist (`accept_ra` 2); so those insist first. `<uplink>/forwarding` makes it answer for
 * proxied addresses.
 */
function ipv6Sysctls(uplink: string, { perDevice, advertised, acceptRa, routers }: Ipv6Facts): SysctlValue[] {
  const listening = [...new Set([uplink, ...advertised])].filter((device) => acceptRa[device] === '1');
  return [
    ...listening.map((device) => ({ key: `net/ipv6/conf/${device}/accept_ra`, value: '2' })),
    { key: `net/ipv6/neigh/${uplink}/proxy_delay`, value: '0' },
    { key: 'net/ipv6/conf/all/proxy_ndp', value: '1' },
    // On record, to be 1 again after `all` has been put back, which takes all devices along.
    ...routers.filter((device) => device !== uplink).map((device) => ({ key: forwarding6(device), value: '1' })),
    perDevice
      ? { key: `net/ipv6/conf/${uplink}/force_forwarding`, value: '1' }
      : { key: forwarding6('all'), value: '1' },
    { key: forwarding6(uplink), value: '1' },
  ];
}

function forwarding6(device: string): string {
  return `net/ipv6/conf/${device}/forwarding`;
}

/** @throws MetactlError METACTL_NO_IPV6 where the kernel or the uplink has none. */
export function readIpv6Facts(uplink: string): Ipv6Facts {
  const disabled = readSysctl(`net/ipv6/conf/${uplink}/disable_ipv6`);
  if (disabled !== '0') throw noIpv6(uplink, disabled === undefined);
  const advertised = parseIpv6Defaults(readFileSync('/proc/net/ipv6_route', 'utf8')).filter(isDeviceName);
  const perDevice = readSysctl(`net/ipv6/conf/${uplink}/force_forwarding`) !== undefined;
  const acceptRa = Object.fromEntries(
    [uplink, ...advertised].map((device) => [device, readSysctl(`net/ipv6/conf/${device}/accept_ra`) ?? '0']),
  );
  return { perDevice, advertised, acceptRa, routers: perDevice ? [] : readRouters() };
}

function readRouters(): string[] {
  return readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? [])
    .filter((device) => isDeviceName(device) && readSysctl(forwarding6(device)) === '1');
}

function noIpv6(uplink: string, everywhere: boolean): MetactlError {
  return new MetactlError(
    everywhere
      ? 'the kernel has no IPv6, which [network] pool asks for'
      : `the uplink ${uplink} has no IPv6, which [network] pool asks for`,
    {
      code: 'METACTL_NO_IPV6',
      step: 'look at the uplink',
      path: uplink,
      hint: everywhere
        ? 'take the IPv6 networks out of [network] pool, or boot with IPv6'
        : `take the IPv6 networks out of [network] pool, or set net.ipv6.conf.${uplink}.disable_ipv6 to 0`,
      exitStatus: EXIT.configuration,
    },
  );
}
