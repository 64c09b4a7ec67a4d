import { describe, expect, it } from 'vitest';
import { objectName, pathsFor } from '../../../src/util/paths.ts';

describe('where metactl keeps its files', () => {
  it('is the system’s own places for /', () => {
    const paths = pathsFor('/');
    expect([paths.etc, paths.lib, paths.run, paths.log]).toEqual([
      '/etc/metactl',
      '/var/lib/metactl',
      '/run/metactl',
      '/var/log/metactl',
    ]);
    expect(paths.nodeId).toBe('');
    expect(objectName(paths, 'shop')).toBe('metactl-shop');
  });

  it('moves with the root, whose id stays the same for ever', () => {
    // FNV-1a of it is 0xe7858aa8. Another id would orphan the objects of running apps.
    expect(pathsFor('/srv/test').nodeId).toBe('6d2d');
    expect(pathsFor('/srv/test/').nodeId).toBe(pathsFor('/srv/test').nodeId);
    expect(pathsFor('/srv/test').nodeId).not.toBe(pathsFor('/srv/test2').nodeId);
    expect(objectName(pathsFor('/srv/test'), 'shop')).toBe(`metactl-${pathsFor('/srv/test').nodeId}-shop`);
  });

  it('must be absolute', () => {
    expect(() => pathsFor('srv')).toThrow(expect.objectContaining({ code: 'METACTL_RELATIVE_ROOT', exitStatus: 2 }));
  });
});
