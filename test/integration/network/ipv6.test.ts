import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeSysctl } from '../../../src/host/linux/sysctl.ts';
import { parsePublish } from '../../../src/util/publish.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { attempt, firstConnection, meet } from './connect.ts';
import { output, outputIn, type Site, withSite } from './site.ts';

leakCheck();

const ADDRESS = '198.18.76.140';
const ADDRESS6 = '2001:db8:76::1:140';
const sysctl = (key: string) => readFileSync(`/proc/sys/net/ipv6/${key}`, 'utf8').trim();
const sysctls = (uplink: string) => [
  sysctl(`conf/${uplink}/forwarding`),
  sysctl(`conf/${uplink}/accept_ra`),
  sysctl('conf/all/proxy_ndp'),
  sysctl(`neigh/${uplink}/proxy_delay`),
];

const makeBoth = (site: Site, app: string, last: string, change: Parameters<Site['make']>[3] = {}) =>
  site.make(app, `198.18.76.${last}`, site.node(), { address6: `2001:db8:76::1:${last}`, ...change });

describe('an app with an IPv6 address', () => {
  it('is reached and reaches others, the first packet within 5 ms', async () => {
    await withSite(async (site) => {
      const { netns } = await makeBoth(site, 'web', '140');
      const { otherNetns, otherAddress6, hostAddress6 } = site.lab;
      const ways = {
        'host to app': [netns, undefined, ADDRESS6],
        'other server to app': [netns, otherNetns, ADDRESS6],
        'app to other server': [otherNetns, netns, otherAddress6],
        'app to host': [undefined, netns, hostAddress6],
      } as const;
      for (const [way, [server, client, address]] of Object.entries(ways)) {
        const { took, answer, peer } = await firstConnection(site, netns, `IPv6, ${way}`, server, client, address);
        expect(answer).toBe('hello from inside');
        if (client === netns) expect(peer).toBe(ADDRESS6);
        expect(took, way).toBeLessThanOrEqual(5);
      }
      expect((await meet(netns, otherNetns, ADDRESS)).answer, 'IPv4 beside it').toBe('hello from inside');
      expect((await meet(netns, netns, '::1')).answer, '::1 inside').toBe('hello from inside');
    });
  });

  it('has one address, one route and one entry, and leaves the host as it was', async () => {
    await withSite(async (site) => {
      const { uplink } = site.lab;
      const before = sysctls(uplink);
      const { netns, hostLink } = await makeBoth(site, 'web', '140');
      expect(outputIn(netns, 'ip', '-6', '-br', 'addr', 'show', 'veth0')).toMatch(
        /^veth0@\S+\s+UP\s+2001:db8:76::1:140\/128\s*$/,
      );
      expect(outputIn(netns, 'ip', '-6', 'route')).toContain('default via fe80::1 dev veth0 proto static');
      expect(output('ip', '-6', 'route', 'show', ADDRESS6)).toContain(`dev ${hostLink} proto static`);
      expect(output('ip', '-6', 'neigh', 'show', 'proxy')).toContain(`${ADDRESS6} dev ${uplink} proxy`);
      expect(sysctls(uplink)).toEqual(['1', '2', '1', '0']);
      await site.remove('web');
      expect(output('ip', '-6', 'route', 'show', ADDRESS6)).toBe('');
      expect(output('ip', '-6', 'neigh', 'show', 'proxy')).not.toContain(ADDRESS6);
      expect(sysctls(uplink)).toEqual(before);
    });
  });

  it('takes the host’s default route from router advertisements from nobody', async () => {
    await withSite(async (site) => {
      const { uplink, otherAddress6 } = site.lab;
      // As the kernel makes it when a router advertises itself; behind the default route that this machine may have.
      output(
        'ip',
        '-6',
        'route',
        'add',
        'default',
        'via',
        otherAddress6,
        'dev',
        uplink,
        'proto',
        'ra',
        'metric',
        '4096',
      );
      try {
        await makeBoth(site, 'web', '140');
        expect(output('ip', '-6', 'route', 'show', 'default', 'dev', uplink)).toContain(otherAddress6);
      } finally {
        output('ip', '-6', 'route', 'del', 'default', 'via', otherAddress6, 'dev', uplink, 'metric', '4096');
      }
    });
  });

  it('is announced: who had its address in a cache learns where it is now', async () => {
    await withSite(async (site) => {
      const { otherNetns, uplink } = site.lab;
      const stale = ['lladdr', '02:00:00:00:00:99', 'dev', 'eth0', 'nud', 'stale'];
      output('ip', '-n', otherNetns, '-6', 'neigh', 'add', ADDRESS6, ...stale);
      await makeBoth(site, 'web', '140');
      const { address: mac } = JSON.parse(output('ip', '-j', 'link', 'show', uplink))[0];
      await expect
        .poll(() => output('ip', '-n', otherNetns, '-6', 'neigh', 'show', ADDRESS6), { timeout: 2_000 })
        .toContain(`lladdr ${mac}`);
    });
  });

  it('answers unicast solicitations too, by which neighbours make sure that it is still there', async () => {
    await withSite(async (site) => {
      const { otherNetns } = site.lab;
      const { netns } = await makeBoth(site, 'web', '140');
      await meet(netns, otherNetns, ADDRESS6);
      output('ip', '-n', otherNetns, '-6', 'neigh', 'change', ADDRESS6, 'dev', 'eth0', 'nud', 'probe');
      await expect
        .poll(() => output('ip', '-n', otherNetns, '-6', 'neigh', 'show', ADDRESS6), { timeout: 2_500 })
        .toContain('REACHABLE');
    });
  });

  it('publishes its ports for both families', async () => {
    await withSite(async (site) => {
      const { otherNetns, hostAddress6, hostAddress } = site.lab;
      const { netns } = await makeBoth(site, 'web', '140', { publish: [parsePublish('8080:80')!] });
      expect((await meet(netns, otherNetns, hostAddress6, 8080)).answer).toBe('hello from inside');
      expect((await meet(netns, otherNetns, hostAddress, 8080)).answer).toBe('hello from inside');
      expect((await meet(netns, undefined, hostAddress6, 8080)).answer, 'host').toBe('hello from inside');
      expect((await meet(netns, netns, hostAddress6, 8080)).answer, 'hairpin').toBe('hello from inside');
      expect(await attempt(undefined, '::1', 8080)).toBe('ECONNREFUSED');
    });
  });
});

describe('IPv6 forwarding', () => {
  it('is for apps only, and a forged source does not leave', async () => {
    await withSite(async (site) => {
      const { otherNetns, hostAddress6, otherAddress6 } = site.lab;
      const { netns } = await makeBoth(site, 'web', '140');
      output('ip', 'netns', 'add', 'mtest-third');
      try {
        output('ip', 'link', 'add', 'mtest3', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'mtest-third');
        output('ip', 'link', 'set', 'mtest3', 'addrgenmode', 'none');
        output('ip', '-n', 'mtest-third', 'link', 'set', 'eth0', 'addrgenmode', 'none');
        output('ip', 'link', 'set', 'mtest3', 'up');
        output('ip', '-n', 'mtest-third', 'link', 'set', 'eth0', 'up');
        output('ip', 'addr', 'add', '2001:db8:77::1/64', 'dev', 'mtest3', 'nodad');
        // What is forwarded is asked for from here.
        output('ip', 'addr', 'add', 'fe80::7603/64', 'dev', 'mtest3', 'nodad');
        output('ip', '-n', 'mtest-third', 'addr', 'add', '2001:db8:77::2/64', 'dev', 'eth0', 'nodad');
        output('ip', '-n', 'mtest-third', '-6', 'route', 'add', 'default', 'via', '2001:db8:77::1');
        // So that answers come back once the question is through, if the kernel forwards per device.
        writeSysctl('net/ipv6/conf/mtest3/force_forwarding', '1');
        output('ip', '-n', otherNetns, '-6', 'route', 'add', '2001:db8:77::/64', 'via', hostAddress6);
        await expect(meet('mtest-third', otherNetns, '2001:db8:77::2')).rejects.toThrow('line 2 did not come');
        output('nft', 'flush', 'chain', 'inet', `metactl-${site.paths.nodeId}`, 'forward');
        expect((await meet('mtest-third', otherNetns, '2001:db8:77::2')).answer, 'without').toBe('hello from inside');
      } finally {
        output('ip', 'link', 'del', 'mtest3');
        output('ip', 'netns', 'del', 'mtest-third');
      }
      const forged = '2001:db8:76::1:999';
      const inside = (...words: string[]) => outputIn(netns, 'ip', '-6', ...words);
      inside('addr', 'add', `${forged}/128`, 'dev', 'veth0', 'nodad', 'preferred_lft', '0');
      inside('route', 'replace', 'default', 'via', 'fe80::1', 'dev', 'veth0', 'src', forged, 'onlink');
      output('ip', '-n', otherNetns, '-6', 'route', 'add', `${forged}/128`, 'via', hostAddress6);
      expect(await attempt(netns, otherAddress6, 80)).toBe('no answer');
    });
  });
});

describe('a network that can’t be made', () => {
  it('because its IPv6 address is routed elsewhere takes back all it made', async () => {
    await withSite(async (site) => {
      output('ip', '-6', 'route', 'add', ADDRESS6, 'dev', site.lab.uplink);
      await expect(makeBoth(site, 'web', '140')).rejects.toMatchObject({
        code: 'METACTL_ADDRESS_IN_USE',
        message: `${ADDRESS} or ${ADDRESS6} is routed elsewhere already`,
      });
      expect(output('ip', 'route', 'show', ADDRESS)).toBe('');
      expect(sysctl('conf/all/proxy_ndp')).toBe('0');
    });
  });

  it('because its uplink has no IPv6 says so', async () => {
    await withSite(async (site) => {
      output('sysctl', '-qw', `net.ipv6.conf.${site.lab.uplink}.disable_ipv6=1`);
      await expect(makeBoth(site, 'web', '140')).rejects.toMatchObject({
        code: 'METACTL_NO_IPV6',
        message: `the uplink ${site.lab.uplink} has no IPv6, which [network] pool asks for`,
        exitStatus: 78,
      });
    });
  });
});
