import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createApp, register } from '../../../src/cli/new.ts';
import { inspectApp } from '../../../src/config/load.ts';
import { nodeFileText } from '../../../src/config/template.ts';
import { platforms } from '../../../src/platform/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { runVerb } from '../config/cli.ts';
import { appRoot, put, scratchRoot, thrown } from '../config/root.ts';

const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
const empty: string[] = [];
afterEach(() => {
  for (const root of empty.splice(0)) rmSync(root, { recursive: true });
});

describe('metactl new', () => {
  it('writes a file that loads, below directories with the right modes', async () => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-new-'));
    empty.push(root);
    const before = process.umask(0o077);
    try {
      const { stdout } = await runVerb(register, root, 'new', 'myapp');
      expect(stdout).toBe(
        `wrote ${root}/etc/metactl/nodes/myapp.conf\nnext: metactl edit myapp, where [daemon.web] and its command are behind # so far; then metactl start myapp\n`,
      );
    } finally {
      process.umask(before);
    }
    expect(mode(`${root}/etc/metactl`)).toBe('755');
    expect(mode(`${root}/etc/metactl/site`)).toBe('700');
    expect(mode(`${root}/etc/metactl/nodes`)).toBe('700');
    expect(mode(`${root}/etc/metactl/nodes/myapp.conf`)).toBe('600');
    expect(inspectApp(pathsFor(root), 'myapp', platforms).problems).toEqual([]);
  });

  it('takes no directory of the operating system for an app', () => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-new-'));
    empty.push(root);
    for (const [told, why] of [
      ['/etc', 'is a directory of the operating system, not of an app'],
      ['/etc/', 'is a directory of the operating system, not of an app'],
      ['/proc', 'is in /proc, which every sandbox has of its own'],
    ] as const) {
      expect(() => createApp(pathsFor(root), 'myapp', told)).toThrow(
        expect.objectContaining({
          message: `--app-dir: the app directory ${told.replace(/\/$/, '')} ${why}`,
          code: 'METACTL_BAD_PATH',
          hint: 'name the directory of the app alone',
          exitStatus: 2,
        }),
      );
    }
    expect(() => statSync(`${root}/etc`)).toThrow('ENOENT');
  });

  it('does not depend on a wide umask either', () => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-new-'));
    empty.push(root);
    const before = process.umask(0);
    try {
      createApp(pathsFor(root), 'myapp', undefined);
    } finally {
      process.umask(before);
    }
    expect(mode(`${root}/etc/metactl/nodes/myapp.conf`)).toBe('600');
    expect(mode(`${root}/etc/metactl/nodes`)).toBe('700');
  });

  it.each(['plain', 'with space', 'semi ;colon', 'hash #x', "it's", 'say "hi" #', 'back\\slash', '100% %(app)', 'é'])(
    '--app-dir takes a directory called %s',
    (name) => {
      const root = scratchRoot();
      const directory = join(root, 'srv', name);
      put(directory, '.metactl', '[daemon.web]\ncommand = x\n', 0o644);
      createApp(pathsFor(root), 'myapp', directory);
      const { config, problems } = inspectApp(pathsFor(root), 'myapp', platforms);
      expect(problems).toEqual([]);
      expect(config.directory).toBe(directory);
      expect(config.daemons).toEqual(['web']);
    },
  );

  it.each([
    ['srv/myapp', '--app-dir: found `srv/myapp`, expected an absolute path'],
    ['/nowhere/at/all', '--app-dir: there is no directory /nowhere/at/all'],
    ['/etc/hostname', '--app-dir: there is no directory /etc/hostname'],
  ])('--app-dir refuses %s, and writes nothing', (directory, message) => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-new-'));
    empty.push(root);
    expect(thrown(() => createApp(pathsFor(root), 'myapp', directory))).toMatchObject({ message, exitStatus: 2 });
    expect(readdirSync(root)).toEqual([]);
  });

  it('--app-dir refuses a directory that no file can name', () => {
    const root = scratchRoot();
    mkdirSync(join(root, 'a\nb'));
    expect(thrown(() => createApp(pathsFor(root), 'myapp', join(root, 'a\nb')))).toMatchObject({
      code: 'METACTL_BAD_PATH',
      exitStatus: 2,
    });
  });

  it('--app-dir refuses an app that metactl deploys', () => {
    const root = appRoot({});
    expect(thrown(() => createApp(pathsFor(root), 'myapp', root)).message).toBe(
      `--app-dir: metactl deploys myapp (${root}/var/lib/metactl/apps/myapp/current)`,
    );
  });

  it('never overwrites, nor writes through a link', () => {
    const root = appRoot({ node: '[env]\nA = 1\n' });
    const file = `${root}/etc/metactl/nodes/myapp.conf`;
    expect(thrown(() => createApp(pathsFor(root), 'myapp', undefined))).toMatchObject({
      code: 'METACTL_EXISTS',
      message: `${file} is there already`,
      hint: 'change it with metactl edit',
      exitStatus: 1,
    });
    expect(readFileSync(file, 'utf8')).toBe('[env]\nA = 1\n');
    symlinkSync('/tmp/metactl-must-not-appear', `${root}/etc/metactl/nodes/linked.conf`);
    expect(thrown(() => createApp(pathsFor(root), 'linked', undefined)).code).toBe('METACTL_EXISTS');
    expect(lstatSync('/tmp/metactl-must-not-appear', { throwIfNoEntry: false })).toBeUndefined();
  });

  it('refuses bad names and odd directories before it writes', () => {
    const root = mkdtempSync(join(tmpdir(), 'metactl-new-'));
    empty.push(root);
    expect(thrown(() => createApp(pathsFor(root), '../x', undefined)).exitStatus).toBe(2);
    expect(readdirSync(root)).toEqual([]);
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/metactl'), '');
    expect(thrown(() => createApp(pathsFor(root), 'myapp', undefined))).toMatchObject({
      code: 'ENOTDIR',
      message: `${root}/etc/metactl is no directory`,
    });
  });
});

describe('the text of a new file', () => {
  it('is a valid configuration with all of its suggestions taken', () => {
    const taken = nodeFileText('myapp', undefined).replace(/^#(?=[a-zA-Z/[])/gm, '');
    const root = scratchRoot();
    put(root, 'srv/myapp/.metactl', '', 0o644);
    put(root, 'etc/metactl/nodes/myapp.conf', taken.replace('/srv/myapp', `${root}/srv/myapp`));
    const { config, problems } = inspectApp(pathsFor(root), 'myapp', platforms);
    expect(problems).toEqual([]);
    expect(config.daemons).toEqual(['web']);
    expect(config.section('sandbox.mounts')).toHaveLength(2);
    expect(config.unbuilt).toEqual({ refuse: [], note: [] });
  });

  it('says nothing by itself', () =>
    expect(
      nodeFileText('myapp', undefined)
        .replace(/^#.*\n/gm, '')
        .trim(),
    ).toBe(''));
});
