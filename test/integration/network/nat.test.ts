import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { firstConnection, makeNat, meet } from './connect.ts';
import { output, withSite } from './site.ts';

leakCheck();

describe('an app behind the host’s address', () => {
  it('reaches another server with that address, within 5 ms, and the host reaches it', async () => {
    await withSite(async (site) => {
      const { netns, address } = await makeNat(site, 'web', 5);
      const { otherNetns, otherAddress, hostAddress } = site.lab;
      const out = await firstConnection(site, netns, 'app to other server', otherNetns, netns, otherAddress);
      expect(out).toMatchObject({ answer: 'hello from inside', peer: hostAddress });
      expect(out.took).toBeLessThanOrEqual(5);
      const host = await firstConnection(site, netns, 'host to app', netns, undefined, address);
      expect(host.took).toBeLessThanOrEqual(5);
      expect((await meet(undefined, netns, hostAddress)).peer).toBe(address);
    });
  });

  it('is not reached from outside, and the host becomes nobody else’s router', async () => {
    await withSite(async (site) => {
      const { netns, address } = await makeNat(site, 'web', 5);
      const { otherNetns, hostAddress, uplink } = site.lab;
      expect(output('sysctl', '-n', `net.ipv4.conf.${uplink}.forwarding`).trim()).toBe('1');
      expect(output('sysctl', '-n', `net.ipv4.neigh.${uplink}.proxy_delay`).trim()).toBe('80');
      expect(output('ip', 'neigh', 'show', 'proxy')).not.toContain(address);
      output('ip', '-n', otherNetns, 'route', 'add', address, 'via', hostAddress);
      await expect(meet(netns, otherNetns, address)).rejects.toThrow('line 2 did not come');
      output('nft', 'flush', 'chain', 'inet', `metactl-${site.paths.nodeId}-nat`, 'forward');
      expect((await meet(netns, otherNetns, address)).answer, 'without the rule').toBe('hello from inside');
      await site.remove('web');
      expect(output('sysctl', '-n', `net.ipv4.conf.${uplink}.forwarding`).trim()).toBe('0');
      expect(output('nft', 'list', 'tables')).not.toContain(site.paths.nodeId);
    });
  });

  it('reaches another app of the node by its own address', async () => {
    await withSite(async (site, other) => {
      const web = await makeNat(site, 'web', 5);
      const db = await makeNat(site, 'db', 6);
      const foreign = await makeNat(other, 'web', 7);
      expect((await meet(db.netns, web.netns, db.address)).peer).toBe(web.address);
      expect((await meet(foreign.netns, web.netns, foreign.address)).answer).toBe('hello from inside');
    });
  });
});
