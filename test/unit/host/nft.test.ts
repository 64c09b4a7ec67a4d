import { describe, expect, it } from 'vitest';
import { baseTable, type Claim, claimName, otherClaims, parseClaim } from '../../../src/host/linux/nft.ts';

const switchedOn = { key: 'net/ipv4/conf/eth0/forwarding', old: '0' };
const router = { key: 'net/ipv4/conf/bond0.100/forwarding', old: '1' };
const switchedOn6 = { key: 'net/ipv6/conf/eth0/force_forwarding', old: '0' };
const all6 = { key: 'net/ipv6/conf/all/forwarding', old: '0' };
const host = { ipv4: false, ipv6: false };
const silent = { key: 'net/ipv6/conf/eth0/forwarding', old: '0' };

describe('the base table', () => {
  const rulesOf = (chain: string, ...claims: Claim[]) =>
    baseTable('metactl', claims, host).chains.find(({ name }) => name === chain)?.rules;

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

  it('drops nothing of a family once somebody has made the machine its router', () => {
    const dropped = (router4: boolean, router6: boolean) =>
      baseTable('metactl', [switchedOn, switchedOn6], { ipv4: router4, ipv6: router6 })
        .chains.find(({ name }) => name === 'forward')
        ?.rules.map(([family]) => family?.kind);
    expect(dropped(false, false)).toEqual(['ipv4', 'ipv6']);
    expect(dropped(true, false)).toEqual(['ipv6']);
    expect(dropped(false, true)).toEqual(['ipv4']);
    // Where metactl itself had to switch on all devices, that says nothing about others.
    expect(baseTable('metactl', [all6], { ipv4: true, ipv6: true }).chains[1]?.rules).toHaveLength(1);
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
    expect(baseTable('metactl', [switchedOn, router], host).chains.slice(2)).toEqual([
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
