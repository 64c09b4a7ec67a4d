import { describe, expect, it } from 'vitest';
import { baseTable, type Claim, claimName, otherClaims, parseClaim } from '../../../src/host/linux/nft.ts';

const switchedOn = { uplink: 'eth0', forwarding: '0', proxyDelay: '80' };
const router = { uplink: 'bond0.100', forwarding: '1', proxyDelay: '0' };

describe('the base table', () => {
  const rulesOf = (chain: string, ...claims: Claim[]) =>
    baseTable('metactl', claims).chains.find(({ name }) => name === chain)?.rules;

  it('drops forged sources from every link of metactl', () => {
    expect(rulesOf('anti-spoof')).toEqual([
      [{ kind: 'iifname', is: true, name: 'mt-*' }, { kind: 'forged-source' }, { kind: 'drop' }],
    ]);
  });

  it('drops what an uplink would forward elsewhere only where metactl switched its forwarding on, and only IPv4', () => {
    expect(rulesOf('forward', switchedOn, router)).toEqual([
      [
        { kind: 'ipv4' },
        { kind: 'iifname', is: true, name: 'eth0' },
        { kind: 'oifname', is: false, name: 'mt-*' },
        { kind: 'drop' },
      ],
    ]);
    expect(rulesOf('forward')).toEqual([]);
  });

  it('tells other roots what each uplink was like before', () => {
    expect(baseTable('metactl', [switchedOn, router]).chains.slice(2)).toEqual([
      { name: 'uplink-0-80-eth0', rules: [] },
      { name: 'uplink-1-0-bond0.100', rules: [] },
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
      { table: 'metactl', chain: 'uplink-0-80-eth0' },
      { table: 'metactl-ab12', chain: 'uplink-1-0-bond0.100' },
      { table: 'metactl-of-somebody', chain: 'uplink-0-0-eth1' },
    ];
    expect(otherClaims(chains, 'metactl-ab12')).toEqual([switchedOn]);
    expect(otherClaims(chains, 'metactl')).toEqual([router]);
  });
});
