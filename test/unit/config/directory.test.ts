import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appRoot, inspect, inspectRoot, put, scratchRoot } from './root.ts';

describe('the app directory', () => {
  it('is told by the node file for an app that metactl does not deploy', () => {
    const root = scratchRoot();
    put(root, 'srv/myapp/.metactl', '[env]\nDIRECTORY = %(app_dir)\nRELEASE = "%(release)"\n', 0o644);
    put(root, 'etc/metactl/nodes/myapp.conf', `[app]\ndirectory = ${root}/srv/%(app)/\n`);
    const { config, lines } = inspectRoot(root);
    expect(lines).toEqual([]);
    expect(config.directory).toBe(`${root}/srv/myapp`);
    expect(config.environment('x')).toEqual({});
    expect(config.section('env').map(({ text }) => text)).toEqual([`${root}/srv/myapp`, '']);
  });

  it('is the release that current leads to', () => {
    const { config, root } = inspect({ application: '[daemon.web]\n[env]\nR = %(release)\nD = %(app_dir)\n' });
    expect(config.environment('web')).toEqual({ R: 'r1', D: `${root}/var/lib/metactl/apps/myapp/releases/r1` });
  });

  it.each([
    ['srv/myapp', 'found `srv/myapp`, expected an absolute path'],
    ['/nowhere/at/all', 'found `/nowhere/at/all`, expected a directory that exists'],
  ])('can not be %s', (directory, message) => {
    const root = scratchRoot();
    put(root, 'etc/metactl/nodes/myapp.conf', `[app]\ndirectory = ${directory}\n`);
    expect(inspectRoot(root).lines.slice(0, 1)).toEqual([`/etc/metactl/nodes/myapp.conf:2:13: ${message}`]);
  });

  it('can not be told twice', () => {
    const root = appRoot({ node: '[app]\ndirectory = /srv\n' });
    expect(inspectRoot(root).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf:2:13: found [app] directory for an app that metactl deploys ' +
        '(/var/lib/metactl/apps/myapp/current), expected only one of the two; remove the key, or purge the deployed app',
    ]);
  });

  it('can not be a link to nothing', () => {
    const root = appRoot({});
    rmSync(join(root, 'var/lib/metactl/apps/myapp/releases/r1'), { recursive: true });
    expect(inspectRoot(root).lines).toEqual([
      '/var/lib/metactl/apps/myapp/current: found a link to nothing, expected one to the directory of a release; deploy the app again',
    ]);
  });

  it('may be missing while the configuration is prepared', () => {
    const root = scratchRoot();
    put(root, 'etc/metactl/nodes/myapp.conf', '[env]\nA = 1\n');
    const { config, lines } = inspectRoot(root);
    expect(lines).toEqual([]);
    expect(config.directory).toBe(`${root}/var/lib/metactl/apps/myapp/current`);
  });
});

describe('files that are not what they should be', () => {
  it('.metactl as a symbolic link', () => {
    const root = appRoot({});
    symlinkSync('/etc/passwd', join(root, 'var/lib/metactl/apps/myapp/current/.metactl'));
    expect(inspectRoot(root).lines).toEqual([
      '.metactl: found a symbolic link, expected a regular file; put the file itself there',
    ]);
  });

  it('.metactl as a directory', () => {
    const root = appRoot({});
    mkdirSync(join(root, 'var/lib/metactl/apps/myapp/current/.metactl'));
    expect(inspectRoot(root).lines).toEqual(['.metactl: found something else, expected a regular file']);
  });

  it('.metactl of more than a megabyte', () => {
    const root = appRoot({ application: '#'.repeat(1024 * 1024 + 1) });
    expect(inspectRoot(root).lines).toEqual(['.metactl: found more than 1048576 bytes, expected a configuration file']);
  });

  it('.metactl that is not UTF-8', () => {
    const root = appRoot({});
    writeFileSync(
      join(root, 'var/lib/metactl/apps/myapp/current/.metactl'),
      Buffer.from('[env]\nA = \xe9\n', 'latin1'),
    );
    expect(inspectRoot(root).lines).toEqual(['.metactl:2:1: found bytes that are not UTF-8, expected UTF-8 text']);
  });

  it('a node file that others can write', () => {
    const root = appRoot({ node: '[env]\n' });
    chmodSync(join(root, 'etc/metactl/nodes/myapp.conf'), 0o660);
    expect(inspectRoot(root).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf: found mode 0660, expected a file that only its owner can write; use chmod 600',
    ]);
  });

  it('an app of thousands of daemons or keys', () => {
    const many = Array.from({ length: 102 }, (_, i) => `[daemon.d${i}]`).join('\n');
    const full = '[trust]\napplication = full\n';
    expect(inspect({ application: `${many}\n`, node: full }).lines).toEqual([
      '.metactl:101:2: found more than 100 daemons, expected a smaller file',
    ]);
    const keys = Array.from({ length: 2000 }, (_, i) => `K${i} = 1`).join('\n');
    expect(inspect({ application: `[env]\n${keys}\n` }).lines).toEqual([
      '.metactl:2001:1: found more than 2000 sections and keys, expected a smaller file',
    ]);
  });
});
