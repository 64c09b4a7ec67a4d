import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { whoHas } from '../../../src/host/linux/arp-probe.ts';
import { lease } from '../../../src/host/linux/leases.ts';
import { networkAddon } from '../../../src/host/linux/network-native.ts';
import type { Uplink } from '../../../src/host/linux/uplink.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, outputIn, type Site, withSite } from './site.ts';

leakCheck();

const uplinkOf = (site: Site): Uplink => {
  const { index, forwarding } = networkAddon().readLink(site.lab.uplink)!;
  return { name: site.lab.uplink, index, forwarding, configured: true };
};
const sentBy = (site: Site) => Number(readFileSync(`/sys/class/net/${site.lab.uplink}/statistics/tx_packets`, 'utf8'));
const take = (site: Site, address: string | undefined, pool = site.lab.pool) =>
  lease(site.paths, site.node({ pool: [pool] }), {
    app: 'web',
    take: true,
    wantAddress: true,
    wantUid: false,
    ...(address === undefined ? {} : { address }),
  });

describe('an ARP probe', () => {
  it('finds the machine that has an address, and teaches it nothing', () =>
    withSite(async (site) => {
      const { otherNetns, otherAddress } = site.lab;
      const hardware = outputIn(otherNetns, 'cat', '/sys/class/net/eth0/address').trim();
      expect(await whoHas(uplinkOf(site), otherAddress)).toBe(hardware);
      expect(outputIn(otherNetns, 'ip', '-4', 'neigh')).toBe('');
    }));

  it('takes a third of a second where nobody has it', () =>
    withSite(async (site) => {
      const begun = performance.now();
      expect(await whoHas(uplinkOf(site), '198.18.76.77')).toBeUndefined();
      const took = performance.now() - begun;
      expect(took).toBeGreaterThan(250);
      expect(took).toBeLessThan(2000);
    }));

  it('is not waited for where the uplink is down', () =>
    withSite(async (site) => {
      output('ip', 'link', 'set', site.lab.uplink, 'down');
      const begun = performance.now();
      expect(await whoHas(uplinkOf(site), '198.18.76.77')).toBeUndefined();
      expect(performance.now() - begun).toBeLessThan(100);
    }));
});

describe('a lease', () => {
  it('is probed once, when it is new', () =>
    withSite(async (site) => {
      const before = sentBy(site);
      const { address } = await take(site, undefined);
      const probes = sentBy(site) - before;
      expect(probes).toBeGreaterThanOrEqual(3);
      expect(await take(site, undefined)).toEqual({ address, uid: undefined });
      expect(sentBy(site) - before).toBe(probes);
    }));

  it('names the machine that has the wanted address', () =>
    withSite(async (site) => {
      const { otherNetns, pool } = site.lab;
      const wanted = pool.replace(/\d+\/25$/, '140');
      outputIn(otherNetns, 'ip', 'addr', 'add', `${wanted}/24`, 'dev', 'eth0');
      const hardware = outputIn(otherNetns, 'cat', '/sys/class/net/eth0/address').trim();
      await expect(take(site, wanted)).rejects.toMatchObject({
        code: 'METACTL_ADDRESS_CONFLICT',
        message: `[sandbox.net] ip: ${wanted} is used by another machine: ${hardware} answered an ARP probe`,
      });
    }));

  it('gives a pool up that other machines use', () =>
    withSite(async (site) => {
      const { otherNetns, pool } = site.lab;
      const start = pool.replace(/\d+\/25$/, '');
      for (let last = 129; last < 137; last++) {
        outputIn(otherNetns, 'ip', 'addr', 'add', `${start}${last}/24`, 'dev', 'eth0');
      }
      await expect(take(site, undefined)).rejects.toMatchObject({
        code: 'METACTL_ADDRESS_CONFLICT',
        message: `other machines use the pool ${pool}: none of ${start}129 to ${start}136 is free for web`,
      });
    }));

  it('from a pool that is not on the uplink’s network asks nobody', () =>
    withSite(async (site) => {
      const before = sentBy(site);
      expect(await take(site, undefined, '198.18.99.0/24')).toMatchObject({ address: '198.18.99.1' });
      expect(sentBy(site)).toBe(before);
    }));
});
