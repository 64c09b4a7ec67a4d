import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../../src/host/linux/gc.ts';
import { holdDaemon, withAppLock } from '../../../src/host/linux/lock.ts';
import { hostLinkName } from '../../../src/host/linux/network.ts';
import { makeTemporary } from '../../../src/host/linux/temporary.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { output, type Site, withSite } from './site.ts';

leakCheck();

/** What of a site the kernel knows. */
function traces(site: Site): string[] {
  const id = site.paths.nodeId;
  const lines = [
    ...output('ip', 'netns', 'list').split('\n'),
    ...output('ip', '-br', 'link').split('\n'),
    ...output('nft', 'list', 'tables').split('\n'),
    ...output('findmnt', '-rno', 'TARGET').split('\n'),
  ];
  return lines.filter((line) => line.includes(id) || line.startsWith(site.scratch.root));
}

describe('gc', () => {
  it('removes what a killed owner left, and nothing of another root', async () => {
    await withSite(async (site, other) => {
      const { netns } = await site.make('web', '198.18.76.180');
      makeTemporary(site.paths, 'web', 1 << 20);
      writeFileSync(join(site.paths.runApp('web'), 'server.lock'), '');
      await other.make('web', '198.18.76.181');
      const left = traces(site);
      // The namespace's name and mount, the link, the table, /tmp.
      expect(left).toHaveLength(5);
      const others = traces(other);

      const found = await collectGarbage(site.paths, { dryRun: true });
      expect(traces(site)).toEqual(left);
      const run = site.paths.runApp('web');
      expect(found.slice(0, 4)).toEqual([
        { app: 'web', kind: 'network', name: `/run/netns/${netns}` },
        { app: 'web', kind: 'mount', name: `${run}/tmp` },
        { app: 'web', kind: 'file', name: `${run}/server.lock` },
        { app: undefined, kind: 'nft', name: `metactl-${site.paths.nodeId}` },
      ]);

      // The other root needs the uplink's forwarding: it stays, and is not told.
      expect(found).toHaveLength(4);

      expect(await collectGarbage(site.paths)).toEqual(found);
      expect(traces(site)).toEqual([]);
      expect(output('ip', 'route')).not.toContain('198.18.76.180');
      expect(output('ip', 'neigh', 'show', 'proxy')).not.toContain('198.18.76.180');
      expect(traces(other)).toEqual(others);
      expect(output('ip', 'neigh', 'show', 'proxy')).toContain('198.18.76.181');
      expect(output('sysctl', '-n', `net.ipv4.conf.${site.lab.uplink}.forwarding`).trim()).toBe('1');
      expect(await collectGarbage(site.paths)).toEqual([]);
    });
  });

  it('finds a network whose record is lost by its link', async () => {
    await withSite(async (site) => {
      const { netns } = await site.make('web', '198.18.76.180');
      rmSync(join(site.paths.runApp('web'), 'made.json'));
      const items = await collectGarbage(site.paths);
      expect(items[0]).toEqual({ app: 'web', kind: 'link', name: hostLinkName(site.paths, 'web') });
      expect(existsSync(`/run/netns/${netns}`)).toBe(false);
      expect(traces(site)).toEqual([]);
      expect(output('ip', 'neigh', 'show', 'proxy')).not.toContain('198.18.76.180');
    });
  });

  it('unmounts a namespace that two crashes left mounted twice', async () => {
    await withSite(async (site) => {
      const { netns } = await site.make('web', '198.18.76.180');
      output('mount', '--bind', `/run/netns/${netns}`, `/run/netns/${netns}`);
      await collectGarbage(site.paths);
      expect(existsSync(`/run/netns/${netns}`)).toBe(false);
      expect(traces(site)).toEqual([]);
    });
  });

  it('leaves an app with a living daemon its network, and takes what its dead ones left', async () => {
    await withSite(async (site) => {
      await site.make('web', '198.18.76.180');
      const before = traces(site);
      const hold = await withAppLock(site.paths, 'web', async () => holdDaemon(site.paths, 'web', 'server'));
      const lock = join(site.paths.runApp('web'), 'dead.lock');
      writeFileSync(lock, '');
      expect(await collectGarbage(site.paths)).toEqual([{ app: 'web', kind: 'file', name: lock }]);
      expect(traces(site)).toEqual(before);
      await withAppLock(site.paths, 'web', async () => hold.release());
    });
  });

  it('has nothing to do where nothing ever ran, and makes nothing there', async () => {
    await withSite(async (site) => {
      expect(await collectGarbage(site.paths, { dryRun: true })).toEqual([]);
      expect(existsSync(site.paths.run)).toBe(false);
    });
  });
});
