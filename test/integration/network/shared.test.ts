import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, type Site, withSite } from './site.ts';

leakCheck();

function forwarding(site: Site): string {
  return output('sysctl', '-n', `net.ipv4.conf.${site.lab.uplink}.forwarding`).trim();
}

function proxyDelay(site: Site): string {
  return output('sysctl', '-n', `net.ipv4.neigh.${site.lab.uplink}.proxy_delay`).trim();
}

function tables(): string {
  return output('nft', 'list', 'tables');
}

describe('what a node’s networks share', () => {
  it('comes with the first app and goes with the last; global forwarding is never touched', async () => {
    await withSite(async (site) => {
      const before = [forwarding(site), proxyDelay(site), output('sysctl', '-n', 'net.ipv4.ip_forward').trim()];
      expect(before).toEqual(['0', '80', '0']);
      await site.make('web', '198.18.76.150');
      await site.make('db', '198.18.76.151');
      const now = [forwarding(site), proxyDelay(site), output('sysctl', '-n', 'net.ipv4.ip_forward').trim()];
      expect(now).toEqual(['1', '0', '0']);
      await site.remove('web');
      expect([forwarding(site), tables().includes(`metactl-${site.paths.nodeId}`)]).toEqual(['1', true]);
      await site.remove('db');
      expect([forwarding(site), proxyDelay(site)]).toEqual(['0', '80']);
      expect(tables()).not.toContain(`metactl-${site.paths.nodeId}`);
    });
  });

  it('leaves a host that forwards already as it is, without rules for its other traffic', async () => {
    await withSite(async (site) => {
      output('sysctl', '-q', '-w', `net.ipv4.conf.${site.lab.uplink}.forwarding=1`);
      await site.make('web', '198.18.76.150');
      const rules = output('nft', 'list', 'table', 'inet', `metactl-${site.paths.nodeId}`);
      expect(rules).toContain('anti-spoof');
      expect(rules).not.toContain('oifname');
      await site.remove('web');
      expect(forwarding(site)).toBe('1');
    });
  });

  it('respects what an administrator changed meanwhile', async () => {
    await withSite(async (site) => {
      await site.make('web', '198.18.76.150');
      output('sysctl', '-q', '-w', `net.ipv4.neigh.${site.lab.uplink}.proxy_delay=40`);
      await site.remove('web');
      expect(proxyDelay(site)).toBe('40');
    });
  });

  it('is shared by two roots with an app of the same name; the last one puts the uplink back, whoever began', async () => {
    for (const firstToLeave of [0, 1] as const) {
      await withSite(async (...sites) => {
        const [one, two] = sites;
        const plans = [await one.make('web', '198.18.76.150'), await two.make('web', '198.18.76.151')];
        expect(plans[0]!.netns).not.toBe(plans[1]!.netns);
        expect(plans[0]!.hostLink).not.toBe(plans[1]!.hostLink);
        const leaving = sites[firstToLeave]!;
        const staying = sites[1 - firstToLeave]!;
        await leaving.remove('web');
        expect([forwarding(one), proxyDelay(one)]).toEqual(['1', '0']);
        expect(output('ip', 'neigh', 'show', 'proxy')).toContain(plans[1 - firstToLeave]!.address);
        expect(output('nft', 'list', 'table', 'inet', `metactl-${staying.paths.nodeId}`)).toContain('oifname');
        await staying.remove('web');
        expect([forwarding(one), proxyDelay(one)]).toEqual(['0', '80']);
      });
    }
  });

  it('many apps at once need it once', async () => {
    await withSite(async (site) => {
      const apps = Array.from({ length: 8 }, (_, number) => `app${number}`);
      await Promise.all(apps.map((app, number) => site.make(app, `198.18.76.${160 + number}`)));
      expect(output('ip', 'route').match(new RegExp(` dev mt-${site.paths.nodeId}_`, 'g'))).toHaveLength(apps.length);
      await Promise.all(apps.map((app) => site.remove(app)));
      expect([forwarding(site), proxyDelay(site)]).toEqual(['0', '80']);
      expect(tables()).not.toContain(`metactl-${site.paths.nodeId}`);
    });
  });
});
