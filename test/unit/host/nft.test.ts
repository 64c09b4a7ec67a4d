import { describe, expect, it } from 'vitest';
import { baseTable, claimName, otherClaims, parseClaim } from '../../../src/host/linux/nft.ts';

const switchedOn = { uplink: 'eth0', forwarding: '0', proxyDelay: '80' };
const router = { uplink: 'bond0.100', forwarding: '1', proxyDelay: '0' };

describe('the base table', () => {
  it('drops forged sources from every link of metactl', () => {
    expect(baseTable('metactl', [])).toContain('iifname "mt-*" fib saddr . iif oif missing drop\n');
  });

  it('drops what an uplink would forward elsewhere only where metactl switched its forwarding on, and only IPv4', () => {
    const text = baseTable('metactl-ab12', [switchedOn, router]);
    expect(text).toContain('\t\tmeta nfproto ipv4 iifname "eth0" oifname != "mt-*" drop\n');
    expect(text).not.toContain('iifname "bond0.100"');
    expect(baseTable('metactl', [])).not.toContain('oifname');
  });

  it('replaces itself in one transaction', () => {
    expect(baseTable('metactl', [])).toMatch(
      /^table inet metactl \{\n\}\ndelete table inet metactl\ntable inet metactl \{\n/,
    );
  });

  it('tells other roots what each uplink was like before', () => {
    const text = baseTable('metactl', [switchedOn, router]);
    expect(text).toContain('\tchain uplink-0-80-eth0 {\n');
    expect(text).toContain('\tchain uplink-1-0-bond0.100 {\n');
  });
});

describe('claims', () => {
  it('survive being a chain name', () => {
    for (const claim of [switchedOn, router]) expect(parseClaim(claimName(claim))).toEqual(claim);
    expect(parseClaim('forward')).toBeUndefined();
  });

  it('are read from tables of other roots only', () => {
    const chain = (table: string, name: string, family = 'inet') => ({ chain: { family, table, name, handle: 1 } });
    const nftables = [
      { metainfo: { version: '1.0.6' } },
      chain('metactl', 'anti-spoof'),
      chain('metactl', 'uplink-0-80-eth0'),
      chain('metactl-ab12', 'uplink-1-0-bond0.100'),
      chain('metactl-of-somebody', 'uplink-0-0-eth1'),
      chain('metactl', 'uplink-0-0-eth2', 'ip'),
    ];
    const json = JSON.stringify({ nftables });
    expect(otherClaims(json, 'metactl-ab12')).toEqual([switchedOn]);
    expect(otherClaims(json, 'metactl')).toEqual([router]);
  });
});
