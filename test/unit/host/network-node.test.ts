import { describe, expect, it } from 'vitest';
import { isOursToPutBack } from '../../../src/host/linux/network-node.ts';

const sysctl = (key: string, old: string, value: string) => ({ kind: 'sysctl', key, old, value }) as const;
const forwarding = sysctl('net/ipv4/conf/eth0/forwarding', '0', '1');
const delay = sysctl('net/ipv4/neigh/eth0/proxy_delay', '80', '0');

describe('a changed sysctl is put back', () => {
  it('where it still is as metactl set it', () => {
    expect(isOursToPutBack(forwarding, '1', '0')).toBe(true);
    expect(isOursToPutBack(delay, '0', '0')).toBe(true);
  });

  it('not where somebody has changed it since, or its device is gone', () => {
    expect(isOursToPutBack(delay, '40', '0')).toBe(false);
    expect(isOursToPutBack(forwarding, '0', '0')).toBe(false);
    expect(isOursToPutBack(forwarding, undefined, '0')).toBe(false);
  });

  it('not where it was so before', () => {
    expect(isOursToPutBack(sysctl('net/ipv4/conf/eth0/forwarding', '1', '1'), '1', '0')).toBe(false);
  });

  it('not where the whole machine has been made a router meanwhile', () => {
    expect(isOursToPutBack(forwarding, '1', '1')).toBe(false);
    expect(isOursToPutBack(delay, '0', '1')).toBe(true);
  });
});
