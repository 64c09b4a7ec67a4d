import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { holdDaemon, withAppLock } from '../../../src/host/linux/lock.ts';
import { madeOf } from '../../../src/host/linux/record.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, outputIn, type Site, withSite } from './site.ts';

leakCheck();

const ADDRESS = '198.18.76.170';

/** Everything that tells a whole network, but for what the kernel numbers. */
function state(site: Site, netns: string, hostLink: string): unknown {
  const [link] = JSON.parse(output('ip', '-j', 'link', 'show', hostLink));
  return {
    flags: link.flags,
    alias: link.ifalias,
    inside: outputIn(netns, 'ip', '-4', '-br', 'addr')
      .replaceAll(/@if\d+/g, '')
      .replaceAll(/ +/g, ' '),
    routes: [outputIn(netns, 'ip', 'route'), output('ip', 'route', 'show', ADDRESS)],
    proxy: output('ip', 'neigh', 'show', 'proxy', 'dev', site.lab.uplink),
    nft: output('nft', '-s', 'list', 'table', 'inet', `metactl-${site.paths.nodeId}`),
    sysctls: [`conf.${hostLink}.forwarding`, `conf.${hostLink}.rp_filter`, `conf.${hostLink}.proxy_arp`]
      .concat([`neigh.${hostLink}.proxy_delay`, `conf.${site.lab.uplink}.forwarding`])
      .map((key) => output('sysctl', `net.ipv4.${key}`).trim()),
  };
}

describe('making an app’s network again', () => {
  it('changes nothing that is there', async () => {
    await withSite(async (site) => {
      const { netns, hostLink } = await site.make('web', ADDRESS);
      const index = () => JSON.parse(output('ip', '-j', 'link', 'show', hostLink))[0].ifindex;
      const before = [state(site, netns, hostLink), index()];
      await site.make('web', ADDRESS);
      expect([state(site, netns, hostLink), index()]).toEqual(before);
      expect(madeOf(site.paths, 'web', 'network')).toHaveLength(1);
    });
  });

  it('puts back each thing that somebody took away', async () => {
    await withSite(async (site) => {
      const { netns, hostLink } = await site.make('web', ADDRESS);
      const whole = state(site, netns, hostLink);
      const table = `metactl-${site.paths.nodeId}`;
      const damages: Record<string, readonly string[]> = {
        'the host route': ['ip', 'route', 'del', ADDRESS],
        'the proxy entry': ['ip', 'neigh', 'del', 'proxy', ADDRESS, 'dev', site.lab.uplink],
        'the link up': ['ip', 'link', 'set', hostLink, 'down'],
        'the veth pair': ['ip', 'link', 'del', hostLink],
        'the inner route': ['ip', '-n', netns, 'route', 'del', 'default'],
        'the inner address': ['ip', '-n', netns, 'addr', 'flush', 'dev', 'veth0'],
        'the nft table': ['nft', 'delete', 'table', 'inet', table],
        'the uplink’s forwarding': ['sysctl', '-q', '-w', `net.ipv4.conf.${site.lab.uplink}.forwarding=0`],
        'the link’s filter': ['sysctl', '-q', '-w', `net.ipv4.conf.${hostLink}.rp_filter=0`],
      };
      for (const [what, [file, ...args]] of Object.entries(damages)) {
        output(file!, ...args);
        await site.make('web', ADDRESS);
        await expect.poll(() => state(site, netns, hostLink), { timeout: 2_000, message: what }).toEqual(whole);
      }
    });
  });

  it('right after its removal waits for the old link’s name', async () => {
    await withSite(async (site) => {
      for (let round = 0; round < 10; round++) {
        const { netns } = await site.make('web', ADDRESS);
        await site.remove('web');
        expect(existsSync(`/run/netns/${netns}`)).toBe(false);
        // Gone on return, whatever the kernel still does with the link.
        expect(output('ip', 'route', 'show', ADDRESS)).toBe('');
        expect(output('ip', 'neigh', 'show', 'proxy')).not.toContain(ADDRESS);
      }
    });
  });

  it('with another address replaces it, but not under a daemon that lives', async () => {
    await withSite(async (site) => {
      await site.make('web', ADDRESS);
      const holds = await withAppLock(site.paths, 'web', async () =>
        ['one', 'two'].map((daemon) => holdDaemon(site.paths, 'web', daemon)),
      );
      await expect(site.make('web', '198.18.76.171')).rejects.toMatchObject({
        code: 'METACTL_ADDRESS_CHANGED',
        message: `the network of web is in use with the address ${ADDRESS}, not 198.18.76.171`,
      });
      await withAppLock(site.paths, 'web', async () => {
        for (const hold of holds) hold.release();
      });
      const { netns } = await site.make('web', '198.18.76.171');
      expect(outputIn(netns, 'ip', '-4', '-br', 'addr', 'show', 'veth0')).toContain(' 198.18.76.171/32');
      expect(output('ip', 'route', 'show', ADDRESS)).toBe('');
    });
  });
});

describe('a network that can’t be made', () => {
  it('because its link’s name is somebody else’s leaves that alone', async () => {
    await withSite(async (site) => {
      const { hostLink } = site.plan('web', ADDRESS);
      output('ip', 'link', 'add', hostLink, 'type', 'veth', 'peer', 'name', 'mtest1');
      try {
        await expect(site.make('web', ADDRESS)).rejects.toMatchObject({
          code: 'METACTL_LINK_TAKEN',
          message: `the link ${hostLink} is there already and is not web's`,
        });
        expect(output('ip', 'link', 'show', hostLink)).toContain(`${hostLink}@mtest1`);
      } finally {
        output('ip', 'link', 'del', hostLink);
      }
    });
  });

  it('because its namespace’s name is somebody else’s leaves that alone', async () => {
    await withSite(async (site) => {
      const { netns } = site.plan('web', ADDRESS);
      output('ip', 'netns', 'add', netns);
      try {
        await expect(site.make('web', ADDRESS)).rejects.toMatchObject({
          code: 'METACTL_NETNS_TAKEN',
          hint: expect.stringMatching(/^first find out whose it is: `ip netns pids metactl-\S+` /),
        });
        expect(outputIn(netns, 'ip', '-br', 'link')).not.toContain('veth0');
      } finally {
        output('ip', 'netns', 'del', netns);
      }
    });
  });

  it('because its address is routed elsewhere takes back all it made', async () => {
    await withSite(async (site) => {
      output('ip', 'route', 'add', ADDRESS, 'dev', site.lab.uplink);
      await expect(site.make('web', ADDRESS)).rejects.toMatchObject({
        code: 'METACTL_ADDRESS_IN_USE',
        message: `the address ${ADDRESS} is routed elsewhere already`,
      });
      expect(output('ip', 'route', 'show', ADDRESS)).toContain(site.lab.uplink);
      expect(madeOf(site.paths, 'web', 'network')).toEqual([]);
      expect(output('nft', 'list', 'tables')).not.toContain(site.paths.nodeId);
    });
  });

  it('for want of its uplink makes nothing', async () => {
    await withSite(async (site) => {
      await expect(site.make('web', ADDRESS, site.node({ uplink: 'nope0' }))).rejects.toMatchObject({
        code: 'METACTL_NO_UPLINK',
        message: "the uplink `nope0` isn't there",
        // It may come: a service manager tries again.
        exitStatus: 1,
      });
      expect(madeOf(site.paths, 'web', 'network')).toEqual([]);
    });
  });
});
