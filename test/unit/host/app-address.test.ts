import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { appAddress, hostAddress } from '../../../src/host/linux/app-address.ts';

const info = (address: string, internal = false) =>
  ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo;
const lo = [info('127.0.0.1', true), info('::1', true)];

describe('where an app is reached', () => {
  it('is its own address, if it has one', () => {
    expect(appAddress({ address: '10.0.0.1', uid: 1 })).toEqual({ address: '10.0.0.1' });
    const both = { address: '10.0.0.1', address6: '2001:db8::1' };
    expect(appAddress(both)).toEqual(both);
    expect(appAddress({})).toEqual({});
    expect(appAddress({ address: '10.0.0.1', network: 'none' })).toEqual({ network: 'none' });
  });

  it('is the host’s in the host’s network', () => {
    expect(appAddress({ address: '10.0.0.1', network: 'host' })).toMatchObject({ network: 'host' });
    const eth1 = [info('192.0.2.9'), info('fe80::9'), info('2001:db8::9')];
    const interfaces = { lo, eth0: [info('198.51.100.1')], eth1 };
    expect(hostAddress(interfaces, 'eth1')).toEqual({ address: '192.0.2.9', address6: '2001:db8::9' });
    expect(hostAddress(interfaces, undefined)).toEqual({ address: '198.51.100.1', address6: '2001:db8::9' });
    expect(hostAddress({ lo }, undefined)).toEqual({ address: '127.0.0.1', address6: undefined });
  });
});
