import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { otherApps } from '../../../src/config/other-apps.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { put, scratchRoot } from './root.ts';

function others(nodes: Readonly<Record<string, string>>) {
  const root = scratchRoot();
  for (const [app, text] of Object.entries(nodes)) put(root, `etc/metactl/nodes/${app}.conf`, text);
  return { root, ...otherApps(pathsFor(root), 'shop') };
}

describe('the other apps of a node', () => {
  it('are where their node files say, or where they are deployed', () => {
    const { root, directories, warnings } = others({
      shop: '[app]\ndirectory = /srv/shop\n',
      blog: '[app]\ndirectory = "/srv/my blog/" ; quoted\n',
      wiki: '[daemon.web]\ndirectory = /not/this\n[app]\n# a comment\n  directory = /srv//wiki\n',
      unset: '[app]\ndirectory =\n',
      deployed: '[daemon.web]\ncommand = x\n',
    });
    const current = (app: string) => join(root, 'var/lib/metactl/apps', app, 'current');
    expect(directories).toEqual(['/srv/my blog', current('deployed'), current('unset'), '/srv/wiki']);
    expect(warnings).toEqual([]);
  });

  it('are found through names in a value', () => {
    const { directories } = others({ blog: '[env]\nBASE = /srv/web\n[app]\ndirectory = %(env:BASE)/%(app)\n' });
    expect(directories).toEqual(['/srv/web/blog']);
  });

  it('are found in a file that is broken elsewhere', () => {
    const text = '[daemon.web\nnonsense\n[app]\nnonsense\ndirectory = /srv/blog\n[what]\nx = 1\nx = 1\n';
    expect(others({ blog: text })).toMatchObject({ directories: ['/srv/blog'], warnings: [] });
  });

  it('may say no absolute path: such an app does not start', () => {
    expect(others({ blog: '[app]\ndirectory = srv/blog\n' })).toMatchObject({ directories: [], warnings: [] });
  });

  it.each([
    ['[app]\ndirectory /srv/blog\n', 'found `directory` without a =, expected a section header or key = value'],
    ['[app]\ndirectory = %(nothing)\n', '[app] directory can not be read'],
  ])('are told of where it can’t be known: %j', (text, why) => {
    const { root, directories, warnings } = others({ blog: text, wiki: '[app]\ndirectory = /srv/wiki\n' });
    expect(directories).toEqual(['/srv/wiki']);
    const file = join(root, 'etc/metactl/nodes/blog.conf');
    const rest = 'the directory of blog is not known and so not hidden from others (see metactl check blog)';
    expect(warnings).toEqual([`${file}: ${why}; ${rest}`]);
  });

  it('are told of where others could have written the file', () => {
    const root = scratchRoot();
    chmodSync(put(root, 'etc/metactl/nodes/blog.conf', '[app]\ndirectory = /srv/blog\n'), 0o666);
    const { directories, warnings } = otherApps(pathsFor(root), 'shop');
    expect(directories).toEqual([]);
    expect(warnings).toEqual([
      expect.stringContaining('found mode 0666, expected a file that only its owner can write;'),
    ]);
  });
});
