import { describe, expect, it } from 'vitest';
import { type Ipv6Facts, sysctlsFor } from '../../../src/host/linux/forwarding.ts';

const uplink = { name: 'eth0', index: 2, forwarding: false, configured: true };
const facts: Ipv6Facts = { perDevice: true, advertised: ['eth1'], acceptRa: { eth0: '1', eth1: '1' }, routers: [] };
const lines = (need: Partial<Parameters<typeof sysctlsFor>[0]>, ipv6: Ipv6Facts | undefined = undefined) =>
  sysctlsFor({ uplink, proxy: false, ipv6: ipv6 !== undefined, nat: false, ...need }, ipv6).map(
    ({ key, value }) => `${key} ${value}`,
  );

describe('what the host’s sysctls must be', () => {
  it('nothing without an uplink', () => {
    expect(sysctlsFor({ proxy: false, ipv6: false, nat: true }, undefined)).toEqual([]);
  });

  it('forwards IPv4 on the uplink only; answers at once where it answers for apps', () => {
    expect(lines({ nat: true })).toEqual(['net/ipv4/conf/eth0/forwarding 1']);
    expect(lines({ proxy: true })).toEqual(['net/ipv4/conf/eth0/forwarding 1', 'net/ipv4/neigh/eth0/proxy_delay 0']);
  });

  it('keeps routes from router advertisements before anything forwards IPv6', () => {
    expect(lines({}, facts).slice(1)).toEqual([
      'net/ipv6/conf/eth0/accept_ra 2',
      'net/ipv6/conf/eth1/accept_ra 2',
      'net/ipv6/neigh/eth0/proxy_delay 0',
      'net/ipv6/conf/all/proxy_ndp 1',
      'net/ipv6/conf/eth0/force_forwarding 1',
      'net/ipv6/conf/eth0/forwarding 1',
    ]);
  });

  it('leaves alone devices that do not listen to advertisements', () => {
    const deaf = { ...facts, acceptRa: { eth0: '0', eth1: '2' } };
    expect(lines({}, deaf).filter((line) => line.includes('accept_ra'))).toEqual([]);
  });

  it('forwards on all devices where the kernel has no other switch, and remembers who did before', () => {
    expect(lines({}, { ...facts, perDevice: false, routers: ['br0', 'eth0'] }).slice(-3)).toEqual([
      'net/ipv6/conf/br0/forwarding 1',
      'net/ipv6/conf/all/forwarding 1',
      'net/ipv6/conf/eth0/forwarding 1',
    ]);
  });
});
