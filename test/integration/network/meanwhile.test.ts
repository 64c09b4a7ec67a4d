import { closeSync, existsSync, fstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { makeRunDirectories } from '../../../src/host/linux/directories.ts';
import { withAppLock } from '../../../src/host/linux/lock.ts';
import { makeAppNetwork } from '../../../src/host/linux/network.ts';
import { networkAddon } from '../../../src/host/linux/network-native.ts';
import { beginNetns, holdNetns } from '../../../src/host/linux/spare-netns.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, outputIn, type Site, withSite } from './site.ts';

leakCheck();

const ADDRESS = '198.18.76.150';

async function make(site: Site, meanwhile: () => void): Promise<void> {
  makeRunDirectories(site.paths, 'web');
  const plan = site.plan('web', ADDRESS);
  await withAppLock(site.paths, 'web', async () => {
    closeSync((await makeAppNetwork(site.paths, site.node(), 'web', plan, { meanwhile })).netns);
  });
}

describe('what is done while the kernel makes a network', () => {
  it('is done once, also where the network is there already', () =>
    withSite(async (site) => {
      let done = 0;
      await site.make('web', ADDRESS);
      await make(site, () => done++);
      expect(done).toBe(1);
      await site.remove('web');
      await make(site, () => done++);
      expect(done).toBe(2);
      await site.make('web', ADDRESS);
    }));

  it('takes the network with it if it fails', () =>
    withSite(async (site) => {
      const failure = new Error('no space for /tmp');
      const { netns, hostLink } = site.plan('web', ADDRESS);
      await expect(
        make(site, () => {
          throw failure;
        }),
      ).rejects.toBe(failure);
      expect(existsSync(`/run/netns/${netns}`)).toBe(false);
      expect(networkAddon().readLink(hostLink)).toBeUndefined();
    }));

  it('leaves alone what was there before', () =>
    withSite(async (site) => {
      const { netns } = await site.make('web', ADDRESS);
      await expect(
        make(site, () => {
          throw new Error('no space for /tmp');
        }),
      ).rejects.toThrow('no space for /tmp');
      expect(existsSync(`/run/netns/${netns}`)).toBe(true);
    }));
});

describe('a pending network', () => {
  it('is only what startNetwork gave', () => {
    expect(() => networkAddon().finishNetwork({} as never)).toThrow(
      expect.objectContaining({ code: 'METACTL_BAD_ARGUMENT' }),
    );
  });

  it('is waited for once', () =>
    withSite(async (site) => {
      const { netns } = await site.make('web', ADDRESS);
      const pending = networkAddon().startNetwork(`/run/netns/${netns}`, 'lo', [ADDRESS]);
      expect(() => networkAddon().finishNetwork(pending)).toThrow(expect.objectContaining({ code: 'EEXIST' }));
      expect(() => networkAddon().finishNetwork(pending)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }));

  it('that can’t be made says so at its end', () => {
    expect(() => networkAddon().startNetwork('/run/netns/is-not-there', 'mt-none', [ADDRESS])).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
  });
});

describe('the file system for /sys', () => {
  /** What mount(2) gets in the namespace: metactl makes it read-only for sandboxes, `ip netns exec` asks for another. */
  const optionsInside = (netns: string) =>
    [...outputIn(netns, 'cat', '/proc/self/mountinfo').matchAll(/ - sysfs \S+ (\w+)/g)].at(-1)?.[1];

  const makeWithSysfs = (site: Site) =>
    withAppLock(site.paths, 'web', () =>
      makeAppNetwork(site.paths, site.node(), 'web', site.plan('web', ADDRESS), { withSysfs: true }),
    );

  it('is there before anybody mounts it, where it was asked for', () =>
    withSite(async (site) => {
      makeRunDirectories(site.paths, 'web');
      const made = await makeWithSysfs(site);
      // So that the site removes it.
      const { netns } = await site.make('web', ADDRESS);
      if (made.sysfs === undefined) {
        // fsopen is there since Linux 5.2; all of the mount calls since 5.12.
        closeSync(made.netns);
        expect(addon().hasMountApi()).toBe(false);
        return;
      }
      expect(optionsInside(netns)).toBe('ro');
      closeSync(made.sysfs);
      expect(optionsInside(netns)).toBe('rw');
      closeSync(made.netns);
    }));

  it('is not made for a network that is there', () =>
    withSite(async (site) => {
      await site.make('web', ADDRESS);
      const made = await makeWithSysfs(site);
      closeSync(made.netns);
      expect(made.sysfs).toBeUndefined();
    }));
});

describe('the host end of a link', () => {
  it('is announced as new if it was down', () =>
    withSite(async (site) => {
      const { hostLink } = await site.make('web', ADDRESS);
      const connect = () =>
        networkAddon().connectHost(hostLink, networkAddon().readLink(hostLink)!.alias, {
          addresses: [ADDRESS],
          proxied: [],
          uplink: 0,
          forwarding: true,
          routeLocalnet: false,
        });
      expect(connect()).toBe(false);
      output('ip', 'link', 'set', hostLink, 'down');
      expect(connect()).toBe(true);
    }));
});

describe('a namespace that was begun before', () => {
  const inode = (fd: number) => fstatSync(fd).ino;

  it('is the one that the app gets, once', () =>
    withSite(async (site) => {
      makeRunDirectories(site.paths, 'web');
      const plan = site.plan('web', ADDRESS);
      const spare = beginNetns(plan);
      const made = await withAppLock(site.paths, 'web', () =>
        makeAppNetwork(site.paths, site.node(), 'web', plan, { spare }),
      );
      expect(spare.take()).toBeUndefined();
      expect(outputIn(plan.netns, 'ip', '-br', 'addr', 'show', 'veth0')).toContain(`${ADDRESS}/32`);
      expect(inode(made.netns)).toBe(statSync(`/run/netns/${plan.netns}`).ino);
      closeSync(made.netns);
      await site.make('web', ADDRESS);
    }));

  it('is not begun where the app has one, or wants none', () =>
    withSite(async (site) => {
      expect(beginNetns({ mode: 'none' }).take()).toBeUndefined();
      expect(beginNetns(await site.make('web', ADDRESS)).take()).toBeUndefined();
    }));

  it('is another one than ours, has no name, and is gone when it is let go of', () =>
    withSite(async (site) => {
      const native = networkAddon();
      const fd = native.finishNetns(beginNetns(site.plan('web', ADDRESS)).take()!);
      expect(inode(fd)).not.toBe(statSync('/proc/self/ns/net').ino);
      closeSync(fd);
      const spare = beginNetns(site.plan('web', ADDRESS));
      spare.discard();
      spare.discard();
      expect(spare.take()).toBeUndefined();
    }));

  it('can’t be taken twice', () =>
    withSite(async (site) => {
      const begun = beginNetns(site.plan('web', ADDRESS)).take()!;
      closeSync(networkAddon().finishNetns(begun));
      expect(() => networkAddon().finishNetns(begun)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
      expect(() => networkAddon().finishNetns({} as never)).toThrow(
        expect.objectContaining({ code: 'METACTL_BAD_ARGUMENT' }),
      );
    }));

  it('is kept for the next app while others run, and no longer', () =>
    withSite(async (site) => {
      const plan = site.plan('web', ADDRESS);
      const namespaces = () =>
        readdirSync('/proc/self/fd').filter((fd) => {
          try {
            return readlinkSync(`/proc/self/fd/${fd}`).startsWith('net:');
          } catch {
            return false;
          }
        }).length;
      const before = namespaces();
      beginNetns(plan).discard();
      await sleep(200);
      expect(namespaces(), 'nothing runs').toBe(before);
      const releases = [holdNetns(), holdNetns()];
      beginNetns(plan).discard();
      await expect.poll(namespaces).toBe(before + 1);
      const kept = beginNetns(plan);
      await expect.poll(namespaces, { message: 'the kept one and the next' }).toBe(before + 2);
      kept.discard();
      releases[0]!();
      releases[0]!();
      expect(namespaces()).toBe(before + 1);
      releases[1]!();
      expect(namespaces()).toBe(before);
    }));
});
