import { describe, expect, it } from 'vitest';
import { ipv6Pool, parseIpv6Defaults, parseIpv6Routes } from '../../../src/host/linux/pool6.ts';
import { formatIpv6, parseIpv6 } from '../../../src/util/ipv6.ts';

/** As /proc/net/ipv6_route prints them: on the link, a gateway, a router's advertised default, own address, nowhere. */
const ROUTES = `20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
20010db8000700000000000000000000 30 00000000000000000000000000000000 00 20010db8000000000000000000000009 00000400 00000001 00000000 00000003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth1
20010db8000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000003 00000000 80200001     eth0
ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
`;
const host = { routes: parseIpv6Routes(ROUTES), own: [parseIpv6('2001:db8::1')!] };
const pool = (...words: string[]) => ipv6Pool({ pool: words }, host)!;

describe('the IPv6 pool', () => {
  it('reads the kernel’s routes', () => {
    expect(
      host.routes.map(({ device, destination, gateway }) => [
        device,
        formatIpv6(destination.first),
        formatIpv6(gateway),
      ]),
    ).toEqual([
      ['eth0', '2001:db8::', '::'],
      ['eth0', '2001:db8:7::', '2001:db8::9'],
      ['eth1', '::', 'fe80::1'],
      ['eth0', 'ff00::', '::'],
    ]);
    expect(parseIpv6Defaults(ROUTES)).toEqual(['eth1']);
  });

  it('is none without an IPv6 network', () => {
    expect(ipv6Pool({ pool: ['10.0.0.0/8'] }, host)).toBeUndefined();
  });

  it('leaves out the network’s routers, the host and gateways', () => {
    const network = pool('10.0.0.0/8', '2001:db8::/124');
    expect(network.text).toBe('2001:db8::/124');
    expect(network.firstFree(new Set())).toBe('2001:db8::2');
    expect(network.firstFree(new Set(['2001:db8::2', '2001:db8::3']))).toBe('2001:db8::4');
    expect(['2001:db8::', '2001:db8::1', '2001:db8::9', '2001:db8::2'].map(network.isReserved)).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(pool('2001:db8::9/128').firstFree(new Set())).toBeUndefined();
  });

  it('knows what is on a device’s own network', () => {
    const network = pool('2001:db8::/64');
    expect(network.isOnLink('eth0', '2001:db8::77')).toBe(true);
    expect(network.isOnLink('eth0', '2001:db8:7::1')).toBe(false);
    expect(network.isOnLink('eth1', '2001:db8::77')).toBe(false);
    expect(network.has('2001:db8::77')).toBe(true);
    expect(network.has('10.0.0.1')).toBe(false);
  });
});
