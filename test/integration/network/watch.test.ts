import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { NodeConfig } from '../../../src/config/types.ts';
import { watchNetwork } from '../../../src/host/linux/network-watch.ts';
import type { OwnNetwork } from '../../../src/sandbox/plan.ts';
import { parsePublish } from '../../../src/util/publish.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeNat, meet } from './connect.ts';
import { output, type Site, withSite } from './site.ts';

leakCheck();

const ADDRESS = '198.18.76.150';
const ADDRESS6 = '2001:db8:76::1:150';

/** Watches as the supervisor of a daemon does; `said` gets its lines. */
async function watched(
  site: Site,
  network: OwnNetwork,
  node: NodeConfig,
  work: (said: string[]) => Promise<void>,
  app = 'web',
): Promise<void> {
  const said: string[] = [];
  const stop = watchNetwork({
    paths: site.paths,
    node,
    app,
    daemon: 'server',
    network,
    owner: { uid: 0, gid: 0 },
    stateDirectory: '',
    logDirectory: '',
    temporarySize: undefined,
    onWarning: (text) => said.push(text),
  });
  try {
    await work(said);
  } finally {
    stop();
    // What it is doing right now ends before the network is removed: under the same lock.
    await sleep(50);
  }
}

/** Milliseconds until `look` finds the text again. */
async function backAfter(look: () => string, text: string): Promise<number> {
  const start = performance.now();
  while (!look().includes(text)) {
    if (performance.now() - start > 5_000) throw new Error(`${text} did not come back`);
    await sleep(20);
  }
  return performance.now() - start;
}

describe('what somebody takes away from a running app', () => {
  it('is put back within a second, and told in one line', async () => {
    await withSite(async (site) => {
      const { uplink } = site.lab;
      const network = await site.make('web', ADDRESS, site.node(), { address6: ADDRESS6 });
      const table = `metactl-${site.paths.nodeId}`;
      const damages: [string, string[], () => string, string][] = [
        [`the route to ${ADDRESS}`, ['ip', 'route', 'del', ADDRESS], () => output('ip', 'route'), ADDRESS],
        [
          `the route to ${ADDRESS6}`,
          ['ip', '-6', 'route', 'del', ADDRESS6],
          () => output('ip', '-6', 'route'),
          ADDRESS6,
        ],
        [
          `the proxy entry of ${ADDRESS} on ${uplink}`,
          ['ip', 'neigh', 'del', 'proxy', ADDRESS, 'dev', uplink],
          () => output('ip', 'neigh', 'show', 'proxy'),
          ADDRESS,
        ],
        [
          `the proxy entry of ${ADDRESS6} on ${uplink}`,
          ['ip', '-6', 'neigh', 'del', 'proxy', ADDRESS6, 'dev', uplink],
          () => output('ip', '-6', 'neigh', 'show', 'proxy'),
          ADDRESS6,
        ],
        [
          `the nft table ${table}`,
          ['nft', 'delete', 'table', 'inet', table],
          () => output('nft', 'list', 'tables'),
          table,
        ],
        [
          `the rp_filter of ${network.hostLink}`,
          ['sysctl', '-qw', `net.ipv4.conf.${network.hostLink}.rp_filter=0`],
          () => output('sysctl', `net.ipv4.conf.${network.hostLink}.rp_filter`),
          '= 1',
        ],
        [
          `rules of the nft table ${table}`,
          ['nft', 'flush', 'chain', 'inet', table, 'anti-spoof'],
          () => output('nft', 'list', 'table', 'inet', table),
          'fib saddr',
        ],
      ];
      for (const [what, [file, ...args], look, text] of damages) {
        await watched(site, network, site.node(), async (said) => {
          output(file!, ...args);
          expect(await backAfter(look, text), what).toBeLessThan(1_500);
          await expect.poll(() => said, { timeout: 2_000 }).toHaveLength(1);
          expect(said[0]).toContain(`put back what somebody took from the network of web: ${what}`);
        });
      }
    });
  });

  it('is put back when the whole device is flushed or goes down', async () => {
    await withSite(async (site) => {
      const { otherNetns } = site.lab;
      const network = await site.make('web', ADDRESS, site.node(), { address6: ADDRESS6 });
      await watched(site, network, site.node(), async () => {
        output('ip', 'link', 'set', network.hostLink, 'down');
        await backAfter(() => output('ip', '-6', 'route'), ADDRESS6);
        expect((await meet(network.netns, otherNetns, ADDRESS)).answer).toBe('hello from inside');
        expect((await meet(network.netns, otherNetns, ADDRESS6)).answer).toBe('hello from inside');
        output('ip', 'link', 'del', network.hostLink);
        await backAfter(() => output('ip', '-6', 'route'), ADDRESS6);
        expect((await meet(network.netns, otherNetns, ADDRESS)).answer).toBe('hello from inside');
      });
    });
  });

  it('is told with who did it, where that can be known', async () => {
    await withSite(async (site) => {
      const network = await site.make('web', ADDRESS);
      await watched(site, network, site.node(), async (said) => {
        output('ip', 'route', 'del', ADDRESS);
        await expect.poll(() => said[0], { timeout: 2_000 }).toMatch(/\(the last by .*pid \d+\)$/);
      });
    });
  });

  it('is not fought for: who takes it away again and again is told, and waited for', async () => {
    await withSite(async (site) => {
      const network = await site.make('web', ADDRESS);
      await watched(site, network, site.node(), async (said) => {
        for (let turn = 0; turn < 6; turn++) {
          output('ip', 'route', 'del', ADDRESS);
          await backAfter(() => output('ip', 'route'), ADDRESS);
        }
        await expect.poll(() => said.at(-1), { timeout: 2_000 }).toContain('next look in 2 s');
        expect(said).toHaveLength(7);
        output('ip', 'route', 'del', ADDRESS);
        expect(await backAfter(() => output('ip', 'route'), ADDRESS)).toBeGreaterThan(1_000);
      });
    });
  });

  it('includes published ports, when nft’s rules are all flushed', async () => {
    await withSite(async (site) => {
      const { otherNetns, hostAddress } = site.lab;
      const network = await makeNat(site, 'web', 5, { publish: [parsePublish('8080:80')!] });
      await watched(site, network, site.node({ pool: [] }), async () => {
        const table = `metactl-${site.paths.nodeId}-nat`;
        output('nft', 'delete', 'table', 'inet', table);
        await backAfter(() => output('nft', 'list', 'ruleset'), 'port-tcp-8080-any-web');
        expect((await meet(network.netns, otherNetns, hostAddress, 8080)).answer).toBe('hello from inside');
      });
    });
  });
});

describe('the sysctls of IPv6', () => {
  it('are put back a little later', async () => {
    await withSite(async (site) => {
      const network = await site.make('web', ADDRESS, site.node(), { address6: ADDRESS6 });
      const key = `net/ipv6/conf/${site.lab.uplink}/forwarding`;
      await watched(site, network, site.node(), async (said) => {
        output('sysctl', '-qw', `${key}=0`);
        expect(await backAfter(() => output('sysctl', key), '= 1')).toBeLessThan(5_000);
        await expect.poll(() => said, { timeout: 2_000 }).toHaveLength(1);
        expect(said[0]).toContain(`the sysctl ${key}`);
      });
    });
  });
});

describe('published ports of several apps', () => {
  it('all come back, when nft’s rules are flushed or a part of them is taken', async () => {
    await withSite(async (site) => {
      const { otherNetns, hostAddress } = site.lab;
      const node = site.node({ pool: [] });
      const web = await makeNat(site, 'web', 5, { publish: [parsePublish('8080:80')!] });
      const shop = await makeNat(site, 'shop', 6, { publish: [parsePublish('8081:80')!] });
      const table = `metactl-${site.paths.nodeId}-nat`;
      const answers = async () => [
        (await meet(web.netns, otherNetns, hostAddress, 8080)).answer,
        (await meet(shop.netns, otherNetns, hostAddress, 8081)).answer,
      ];
      const list = () => output('nft', '-s', 'list', 'table', 'inet', table);
      const whole = list();
      const damages: [string[], string[]][] = [
        [
          ['delete', 'table', 'inet', table],
          [`the nft table ${table}`, 'the published ports'],
        ],
        [['flush', 'table', 'inet', table], [`rules of the nft table ${table}`]],
        [
          ['flush', 'map', 'inet', table, 'ports4'],
          ['the published ports 8080:80', 'the published ports 8081:80'],
        ],
        [['delete', 'chain', 'inet', table, 'port-tcp-8081-any-shop'], ['the published ports 8081:80']],
      ];
      await watched(site, web, node, async (said) => {
        const watchShop = async (other: string[]) => {
          for (const [args, told] of damages) {
            said.length = 0;
            other.length = 0;
            output('nft', ...args);
            await expect.poll(() => [...list()].sort(), { timeout: 4_000 }).toEqual([...whole].sort());
            expect(await answers()).toEqual(['hello from inside', 'hello from inside']);
            await expect
              .poll(() => told.every((text) => [...said, ...other].some((line) => line.includes(text))), {
                timeout: 2_000,
              })
              .toBe(true);
          }
        };
        await watched(site, shop, node, watchShop, 'shop');
      });
    });
  });
});

describe('an app behind the host’s address', () => {
  it('leaves by the new default route when that moves', async () => {
    await withSite(async (site) => {
      const { uplink, otherNetns, otherAddress } = site.lab;
      const node = site.node({ pool: [], uplink: undefined });
      const network = site.plan('web', '', {});
      const made = await makeNat(site, 'web', 5, {}, node);
      expect(network.hostLink).toBe(made.hostLink);
      await watched(site, made, node, async () => {
        const forwarding = () => output('sysctl', '-n', `net.ipv4.conf.${uplink}.forwarding`).trim();
        expect(forwarding()).toBe('0');
        // First in the table, but only for packets of a kind that nobody sends: the machine keeps its own.
        const route = ['default', 'via', otherAddress, 'dev', uplink, 'tos', '0x10'];
        output('ip', 'route', 'add', ...route);
        await expect.poll(forwarding, { timeout: 2_000 }).toBe('1');
        expect((await meet(otherNetns, made.netns, otherAddress)).answer).toBe('hello from inside');
        output('ip', 'route', 'del', ...route);
      });
    });
  });
});
