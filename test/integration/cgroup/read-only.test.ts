import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { linuxKernel } from '../../../src/host/linux/cgroup/kernel.ts';
import { makeLeaf } from '../../../src/host/linux/cgroup/make.ts';
import { leakCheck } from '../../helpers/leak-check.ts';

leakCheck();

it('a file system of cgroups that is read-only is called that', () => {
  const directory = mkdtempSync(join(tmpdir(), 'metactl-read-only-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', directory]);
  try {
    const leaf = join(directory, 'metactl/shop/web');
    expect(() =>
      makeLeaf(linuxKernel, {
        base: directory,
        tree: join(directory, 'metactl'),
        app: join(directory, 'metactl/shop'),
        leaf,
      }),
    ).toThrow(expect.objectContaining({ code: 'EROFS', hint: expect.stringContaining('is mounted read-only') }));
  } finally {
    execFileSync('umount', [directory]);
    rmdirSync(directory);
  }
});
