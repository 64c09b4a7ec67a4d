import { describe, expect, it } from 'vitest';
import { appOfAlias, hostLinkName, linkAlias, tableName } from '../../../src/host/linux/network-name.ts';
import { pathsFor } from '../../../src/util/paths.ts';

const root = pathsFor('/');
const moved = pathsFor('/srv/other');

describe('the host end of a veth pair', () => {
  it('is named after the app', () => {
    expect(hostLinkName(root, 'web')).toBe('mt-web');
    expect(hostLinkName(root, 'twelve-chars')).toBe('mt-twelve-chars');
    expect(hostLinkName(moved, 'web')).toBe(`mt-${moved.nodeId}_web`);
  });

  it('is at most 15 bytes long, and different for long names that begin alike', () => {
    const names = ['a-rather-long-name-for-an-app', 'a-rather-long-name-for-an-apq', 'a-rather-lon'];
    for (const paths of [root, moved]) {
      const links = names.map((name) => hostLinkName(paths, name));
      expect(new Set(links).size).toBe(names.length);
      for (const link of links) expect(Buffer.byteLength(link)).toBeLessThanOrEqual(15);
    }
    expect(hostLinkName(root, names[0]!)).toMatch(/^mt-a-rath_[0-9a-f]{5}$/);
  });

  it("can't be another root's: an app may be named like a moved root's id", () => {
    expect(hostLinkName(root, `${moved.nodeId.replace(/^\d/, 'a')}-web`)).not.toBe(hostLinkName(moved, 'web'));
    expect(hostLinkName(pathsFor('/srv/third'), 'web')).not.toBe(hostLinkName(moved, 'web'));
  });
});

describe('alias and table', () => {
  it('carry the id of a moved root', () => {
    expect(linkAlias(root, 'web')).toBe('metactl:web');
    expect(linkAlias(moved, 'web')).toBe(`metactl:${moved.nodeId}:web`);
    expect(tableName(root)).toBe('metactl');
    expect(tableName(moved)).toBe(`metactl-${moved.nodeId}`);
  });

  it('tell the app of an own link only', () => {
    for (const paths of [root, moved]) expect(appOfAlias(paths, linkAlias(paths, 'web'))).toBe('web');
    expect(appOfAlias(root, linkAlias(moved, 'web'))).toBeUndefined();
    expect(appOfAlias(moved, linkAlias(root, 'web'))).toBeUndefined();
    expect(appOfAlias(root, '')).toBeUndefined();
    expect(appOfAlias(root, 'metactl:../../etc')).toBeUndefined();
  });
});
