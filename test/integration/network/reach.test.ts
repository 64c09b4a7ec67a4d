import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { firstConnection } from './connect.ts';
import { output, outputIn, withSite } from './site.ts';

leakCheck();

const ADDRESS = '198.18.76.130';

describe('an app with an address of its own', () => {
  it('is reached from the host and from another server, and reaches both, the first packet within 5 ms', async () => {
    await withSite(async (site) => {
      const { netns } = await site.make('web', ADDRESS);
      const { otherNetns, otherAddress, hostAddress } = site.lab;
      const ways = {
        'host to app': [netns, undefined, ADDRESS],
        'other server to app': [netns, otherNetns, ADDRESS],
        'app to other server': [otherNetns, netns, otherAddress],
        'app to host': [undefined, netns, hostAddress],
      } as const;
      for (const [way, [server, client, address]] of Object.entries(ways)) {
        const { took, answer } = await firstConnection(site, netns, way, server, client, address);
        expect(answer).toBe('hello from inside');
        expect(took, way).toBeLessThanOrEqual(5);
      }
    });
  });

  it('is announced: who had its address in a cache learns where it is now', async () => {
    await withSite(async (site) => {
      const { otherNetns, uplink } = site.lab;
      output(
        'ip',
        '-n',
        otherNetns,
        'neigh',
        'add',
        ADDRESS,
        'lladdr',
        '02:00:00:00:00:99',
        'dev',
        'eth0',
        'nud',
        'stale',
      );
      await site.make('web', ADDRESS);
      const { address: mac } = JSON.parse(output('ip', '-j', 'link', 'show', uplink))[0];
      await expect
        .poll(() => output('ip', '-n', otherNetns, 'neigh', 'show', ADDRESS), { timeout: 2_000 })
        .toContain(`lladdr ${mac}`);
    });
  });

  it('is seen by ip netns list, entered by ip netns exec, and has one link with one address', async () => {
    await withSite(async (site) => {
      const { netns, hostLink } = await site.make('web', ADDRESS);
      expect(netns).toBe(`metactl-${site.paths.nodeId}-web`);
      expect(output('ip', 'netns', 'list')).toMatch(new RegExp(`^${netns}( |$)`, 'm'));
      expect(outputIn(netns, 'ip', '-4', '-br', 'addr', 'show', 'veth0')).toMatch(
        /^veth0@\S+\s+UP\s+198\.18\.76\.130\/32\s*$/,
      );
      expect(outputIn(netns, 'ip', 'route').trim()).toBe('default dev veth0 proto static scope link');
      expect(outputIn(netns, 'ip', '-6', 'addr', 'show', 'dev', 'veth0')).toBe('');
      expect(outputIn(netns, 'cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start').trim()).toBe('0');
      const [link] = JSON.parse(output('ip', '-j', 'link', 'show', hostLink));
      expect(link).toMatchObject({ ifalias: `metactl:${site.paths.nodeId}:web`, operstate: 'UP' });
      expect(output('ip', '-br', 'addr', 'show', hostLink)).toMatch(/ UP\s*$/);
      expect(output('ip', 'neigh', 'show', 'proxy')).toContain(`${ADDRESS} dev ${site.lab.uplink} proxy`);
    });
  });
});
