import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeConfig } from '../../../src/config/types.ts';
import {
  defaultPool,
  firstFree,
  type HostAddresses,
  isInPool,
  isOnLink,
  isRoutedBesides,
  parseRoutes,
  poolOf,
} from '../../../src/host/linux/pool.ts';
import { firstFreeUid, uidSlices } from '../../../src/host/linux/uids.ts';
import { contains, formatAddress, formatRange, parseAddress, parseRange } from '../../../src/util/ip.ts';
import { pathsFor } from '../../../src/util/paths.ts';

const ROUTES = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
m-web	07034064	00000000	0005	0	0	0	FFFFFFFF	0	0	0
`;
const host: HostAddresses = { routes: parseRoutes(ROUTES), own: [parseAddress('192.0.2.2')!] };
const node = (...pool: string[]) => ({ pool }) as unknown as NodeConfig;
const address = (text: string) => parseAddress(text)!;
const next = (pool: ReturnType<typeof poolOf>, ...taken: string[]) => {
  const free = firstFree(pool, new Set(taken.map(address)));
  return free === undefined ? undefined : formatAddress(free);
};

describe('IPv4 addresses', () => {
  it('are another app’s where the host has them routed by another link', () => {
    const besides = (device: string, text: string) => isRoutedBesides(host.routes, device, address(text));
    expect(besides('m-api', '100.64.3.7')).toBe(true);
    expect(besides('m-web', '100.64.3.7')).toBe(false);
    // Networks are no one app's.
    expect(besides('m-api', '192.0.2.7')).toBe(false);
    expect(besides('m-api', '203.0.113.7')).toBe(false);
  });

  it('round-trip', () => {
    fc.assert(fc.property(fc.nat(0xffffffff), (number) => parseAddress(formatAddress(number)) === number));
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', 'a.b.c.d', '1.2.3.0x4'])(
    '%j is none',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );

  it('ranges cover what they say', () => {
    expect(parseRange('10.7.0.*')).toEqual(parseRange('10.7.0.0/24'));
    expect(parseRange('10.7.1.9/30')).toEqual({ first: address('10.7.1.8'), last: address('10.7.1.11') });
    expect(parseRange('10.7.0.1')).toEqual({ first: address('10.7.0.1'), last: address('10.7.0.1') });
    expect(parseRange('0.0.0.0/0')).toEqual({ first: 0, last: 0xffffffff });
    expect(['10.0.0.0/33', '10.0.0.0/', 'x/8', '10.0.0.0/8/8'].map(parseRange)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('the pool', () => {
  it('reads the kernel’s routes', () => {
    expect(
      host.routes.map(({ device, destination }) => [
        device,
        formatAddress(destination.first),
        formatAddress(destination.last),
      ]),
    ).toEqual([
      ['eth0', '0.0.0.0', '255.255.255.255'],
      ['eth0', '192.0.2.0', '192.0.2.255'],
      ['m-web', '100.64.3.7', '100.64.3.7'],
    ]);
    expect(formatAddress(host.routes[0]!.gateway)).toBe('192.0.2.1');
  });

  it('never gives the host’s, a gateway’s, a network’s or a broadcast address', () => {
    const pool = poolOf(pathsFor('/'), node('192.0.2.0/29'), host);
    expect(next(pool)).toBe('192.0.2.3');
    for (const text of ['192.0.2.0', '192.0.2.1', '192.0.2.2', '192.0.2.7'])
      expect(pool.isReserved(address(text))).toBe(true);
    expect(poolOf(pathsFor('/'), node('192.0.2.248/29'), host).isReserved(address('192.0.2.255'))).toBe(true);
  });

  it('gives the lowest free address, then the next range, then none', () => {
    const pool = poolOf(pathsFor('/'), node('10.7.0.0/30', '10.8.0.5/32'), host);
    expect(next(pool)).toBe('10.7.0.1');
    expect(next(pool, '10.7.0.1', '10.7.0.2')).toBe('10.8.0.5');
    expect(next(pool, '10.7.0.1', '10.7.0.2', '10.8.0.5')).toBeUndefined();
    expect(isInPool(pool, address('10.8.0.5'))).toBe(true);
    expect(isInPool(pool, address('10.8.0.6'))).toBe(false);
  });

  it('without configuration is 100.64.0.0/16 minus what the host routes', () => {
    const pool = poolOf(pathsFor('/'), node(), host);
    expect(next(pool)).toBe('100.64.0.1');
    expect(pool.isReserved(address('100.64.3.7'))).toBe(true);
    expect(pool.text).toBe('100.64.0.0/17 (for apps in mode nat)');
    // What it says is outside must be so under a moved root too.
    expect(poolOf(pathsFor('/srv/moved'), node(), host).text).toBe(
      `${formatRange(defaultPool(pathsFor('/srv/moved').nodeId))} (for apps in mode nat)`,
    );
  });

  it('gives every moved root a slice that the node itself never uses', () => {
    const own = defaultPool('');
    fc.assert(
      fc.property(fc.nat(0xffff), (id) => {
        const slice = defaultPool(id.toString(16).padStart(4, '0'));
        const whole = parseRange('100.64.0.0/16')!;
        return (
          contains(whole, slice.first) &&
          contains(whole, slice.last) &&
          slice.first > own.last &&
          slice.last - slice.first === 255
        );
      }),
    );
  });
});

describe('an address is on the link', () => {
  const isThere = (device: string, text: string) => isOnLink(host.routes, device, address(text));

  it('where a route without a gateway leads to it by this device', () => {
    expect(isThere('eth0', '192.0.2.200')).toBe(true);
    expect(isThere('eth1', '192.0.2.200')).toBe(false);
    expect(isThere('eth0', '198.51.100.1')).toBe(false);
  });

  it('not because of the default route, even one without a gateway', () => {
    const routes = parseRoutes(ROUTES.replace('010200C0', '00000000'));
    expect(isOnLink(routes, 'eth0', address('198.51.100.1'))).toBe(false);
  });
});

describe('user ids', () => {
  const range = [70000, 99999] as const;

  it('are from the lower half for /, from a slice of the upper for every moved root', () => {
    expect(uidSlices(range, '')).toEqual([[70000, 84999]]);
    expect(uidSlices(range, '0000')[0]).toEqual([85000, 85099]);
    expect(uidSlices(range, '0001')[0]).toEqual([85100, 85199]);
  });

  it('go on in the rest of the upper half when a slice is full', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), (id) => {
        const ranges = uidSlices(range, id.toString(16).padStart(4, '0'));
        const all = ranges.flatMap(([first, last]) =>
          Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i),
        );
        return all.length === 15_000 && new Set(all).size === 15_000 && Math.min(...all) === 85_000;
      }),
    );
  });

  it('are all of a range that is too small to be parted', () => {
    expect(uidSlices([500, 700], 'abcd')).toEqual([[500, 700]]);
  });

  it('run out with a message that names what was tried', () => {
    expect(() =>
      firstFreeUid(
        [
          [0, 0],
          [5, 4],
        ],
        new Set(),
      ),
    ).toThrow('no user id is free in 0-0');
  });
});

describe('what no app gets of a pool that is wider than a network that the host is on', () => {
  const onLink = { destination: parseRange('192.0.2.8/29')!, gateway: 0, device: 'eth1' };
  const pool = poolOf(pathsFor('/'), node('192.0.2.0/24'), { routes: [onLink], own: [] });

  it('is the address of that network, and its broadcast address', () => {
    const reserved = Array.from({ length: 256 }, (_, i) => i).filter((i) => pool.isReserved(address('192.0.2.0') + i));
    expect(reserved).toEqual([0, 8, 15, 255]);
  });
});

it('moved roots share 128 slices of the default pool', () => {
  const first = (id: string) => formatAddress(defaultPool(id).first);
  expect(['0000', '003f', '0040', '007f', '0080', 'ffff'].map(first)).toEqual(
    ['128', '191', '192', '255', '128', '255'].map((third) => `100.64.${third}.0`),
  );
});
