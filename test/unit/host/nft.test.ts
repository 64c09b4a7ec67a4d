import { describe, expect, it } from 'vitest';
import { baseTable, type Claim, claimName, otherClaims, parseClaim } from '../../../src/host/linux/nft.ts';

const switchedOn = { key: 'net/ipv4/conf/eth0/forwarding', old: '0' };
const router = { key: 'net/ipv4/conf/bond0.100/forwarding', old: '1' };
const switchedOn6 = { key: 'net/ipv6/conf/eth0/force_forwarding', old: '0' };
const all6 = { key: 'net/ipv6/conf/all/forwarding', old: '0' };
const silent = { key: 'net/ipv6/conf/eth0/forwarding', old: '0' };

describe('the base table', () => {
  const rulesOf = (chain: string, ...claims: Claim[]) =>
    baseTable('metactl', claims).chains.find(({ name }) => name === chain)?.rules;

  it('drops forged sources from every link of metactl', () => {
    expect(rulesOf('anti-spoof')).toEqual([
      [{ kind: 'iifname', is: true, name: 'mt-*' }, { kind: 'forged-source' }, { kind: 'drop' }],
    ]);
  });

  it('drops what an uplink would forward elsewhere only where metactl switched its forwarding on, and only of that family', () => {
    expect(rulesOf('forward', switchedOn, router)).toEqual([
      [
        { kind: 'ipv4' },
        { kind: 'iifname', is: true, name: 'eth0' },
        { kind: 'oifname', is: false, name: 'mt-*' },
        { kind: 'drop' },
      ],
    ]);
    expect(rulesOf('forward')).toEqual([]);
    expect(rulesOf('forward', switchedOn6, silent)).toEqual([
      [
        { kind: 'ipv6' },
        { kind: 'iifname', is: true, name: 'eth0' },
        { kind: 'oifname', is: false, name: 'mt-*' },
        { kind: 'drop' },
      ],
    ]);
  });

  it('drops what no app has to do with where IPv6 forwarding was switched on for all devices', () => {
    expect(rulesOf('forward', all6)).toEqual([
      [
        { kind: 'ipv6' },
        { kind: 'iifname', is: false, name: 'mt-*' },
        { kind: 'oifname', is: false, name: 'mt-*' },
        { kind: 'drop' },
      ],
    ]);
  });

  it('tells other roots what each sysctl was before', () => {
    expect(baseTable('metactl', [switchedOn, router]).chains.slice(2)).toEqual([
      { name: 'sysctl-0-net/ipv4/conf/eth0/forwarding', rules: [] },
      { name: 'sysctl-1-net/ipv4/conf/bond0.100/forwarding', rules: [] },
    ]);
  });
});

describe('claims', () => {
  it('survive being a chain name', () => {
    for (const claim of [switchedOn, router]) expect(parseClaim(claimName(claim))).toEqual(claim);
    expect(parseClaim('forward')).toBeUndefined();
  });

  it('are read from tables of other roots only', () => {
    const chains = [
      { table: 'metactl', chain: 'anti-spoof' },
      { table: 'metactl', chain: 'sysctl-0-net/ipv4/conf/eth0/forwarding' },
      { table: 'metactl-ab12', chain: 'sysctl-1-net/ipv4/conf/bond0.100/forwarding' },
      { table: 'metactl-of-somebody', chain: 'sysctl-0-net/ipv4/conf/eth1/forwarding' },
    ];
    expect(otherClaims(chains, 'metactl-ab12')).toEqual([switchedOn]);
    expect(otherClaims(chains, 'metactl')).toEqual([router]);
  });
});
