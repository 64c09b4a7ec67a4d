import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeProbeApp, outside, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';
import { printedPlan } from './planned.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;
/** Undone in reverse order, also when a test fails. */
const undo: (() => void)[] = [];

// After the scratch root's own removal: registered before it.
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});
useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

/** A fresh directory that is removed afterwards. */
function directory(prefix: string): string {
  const path = mkdtempSync(prefix);
  undo.push(() => rmSync(path, { recursive: true }));
  chmodSync(path, 0o755);
  return path;
}

/** Mounts a tmpfs with a file in it on a fresh directory of the host. */
function volume(prefix = '/srv/metactl-volume-'): string {
  const path = mkdtempSync(prefix);
  undo.push(() => rmdirSync(path));
  // What is below the mount is seen inside: nobody is refused there.
  chmodSync(path, 0o755);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=1777', 'metactl-test', path]);
  undo.push(() => execFileSync('umount', [path]));
  writeFileSync(join(path, 'file'), 'of the volume\n');
  chmodSync(join(path, 'file'), 0o666);
  return path;
}

const open = (path: string, how = 'r') => app.attack(['open', path, how]);

describe('file systems that are mounted on the host', () => {
  it('are not there until they are named', async () => {
    const path = volume();
    expect((await printedPlan(app.root, 'shop')).root.leftOut).toContainEqual({
      path,
      fsType: 'tmpfs',
      source: 'metactl-test',
    });
    await app.start();
    expect(await open(`${path}/file`)).toMatchObject({ result: 'ENOENT' });
    expect(await outside('attack', 'open', `${path}/file`, 'r')).toMatchObject({ text: 'of the volume\n' });
  });

  it('do not appear either when they are mounted later', async () => {
    await app.start();
    const path = volume();
    expect(await open(`${path}/file`)).toMatchObject({ result: 'ENOENT' });
  });

  it('are read-only as `ro`', async () => {
    const path = volume();
    app.configure({ node: `[sandbox.mounts]\n${path} = ro` });
    await app.start();
    expect(await open(`${path}/file`)).toMatchObject({ text: 'of the volume\n' });
    expect(await open(`${path}/file`, 'w')).toMatchObject({ result: 'EROFS' });
    expect(await open(`${path}/new`, 'create')).toMatchObject({ result: 'EROFS' });
    expect((await printedPlan(app.root, 'shop')).root.leftOut).not.toContainEqual(expect.objectContaining({ path }));
  });

  it('are writable as `rw`, without devices and set-user-id programs', async () => {
    const path = volume();
    app.configure({ node: `[sandbox.mounts]\n${path} = rw` });
    await app.start();
    expect(await open(`${path}/new`, 'create')).toMatchObject({ result: 'ok' });
    expect(existsSync(join(path, 'new'))).toBe(true);
    const { mounts } = await app.report(['files']);
    expect(mounts.find((mount) => mount.path === path)?.options).toMatch(/^rw,nosuid,nodev/);
  });

  it('come with what is mounted below them, read-only too', async () => {
    const path = volume();
    const below = join(path, 'below');
    mkdirSync(below);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=1777', 'metactl-test', below]);
    undo.push(() => execFileSync('umount', [below]));
    app.configure({ node: `[sandbox.mounts]\n${path} = ro` });
    await app.start();
    expect(await open(`${below}/new`, 'create')).toMatchObject({ result: 'EROFS' });
  });

  it('appear at another place with `from:`', async () => {
    const path = volume();
    const [read, write] = [directory('/srv/metactl-place-'), directory('/srv/metactl-place-')];
    app.configure({ node: `[sandbox.mounts]\n${read} = from:${path}\n${write} = rw:from:${path}` });
    await app.start();
    expect(await open(`${read}/file`)).toMatchObject({ text: 'of the volume\n' });
    expect(await open(`${read}/file`, 'w')).toMatchObject({ result: 'EROFS' });
    expect(await open(`${write}/file`, 'w')).toMatchObject({ result: 'ok' });
    expect(await open(`${path}/file`)).toMatchObject({ result: 'ENOENT' });
  });

  it('explain a command that is not there inside', async () => {
    const path = volume();
    writeFileSync(join(path, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
    scratch.node(
      'shop',
      `[app]\ndirectory = ${app.directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ${path}/tool\n`,
    );
    const { status, stderr } = await app.run();
    expect(status).toBe(127);
    expect(stderr).toContain(
      `\`${path}\` is a file system of its own on this server (tmpfs, metactl-test) and so not in the sandbox: ` +
        'name it in [sandbox.mounts] of the node file',
    );
  });

  it('explain a working directory that is not there inside', async () => {
    const path = volume();
    app.configure({ daemon: `working-directory = ${path}/data` });
    mkdirSync(join(path, 'data'));
    const { status, stderr } = await app.run();
    expect(status).toBe(125);
    expect(stderr).toContain(`\`${path}\` is a file system of its own on this server`);
  });

  it('are there where they are local volumes of the operating system: /opt', async () => {
    const path = mkdtempSync('/opt/metactl-volume-');
    undo.push(() => rmdirSync(path));
    const image = join(directory('/srv/metactl-image-'), 'ext4');
    execFileSync('mkfs.ext4', ['-q', '-F', image, '2m'], { stdio: 'pipe' });
    execFileSync('mount', ['-o', 'loop', image, path]);
    undo.push(() => execFileSync('umount', [path]));
    writeFileSync(join(path, 'file'), 'of the disk\n');
    await app.start();
    expect(await open(`${path}/file`)).toMatchObject({ text: 'of the disk\n' });
    expect(await open(`${path}/new`, 'create')).toMatchObject({ result: 'EROFS' });
    const { mounts } = await app.report(['files']);
    expect(mounts.find((mount) => mount.path === path)).toMatchObject({
      fsType: 'ext4',
      options: expect.stringMatching(/^ro,nosuid,nodev/),
    });
  });

  it('may hold metactl’s own files and the app’s directory', async () => {
    const root = volume('/srv/metactl-node-');
    chmodSync(root, 0o755);
    execFileSync('cp', ['-a', `${app.root}/etc`, `${app.root}/apps`, root]);
    const text = readFileSync(join(root, 'etc/metactl/nodes/shop.conf'), 'utf8').replaceAll(app.root, root);
    writeFileSync(join(root, 'etc/metactl/nodes/shop.conf'), text.replace('probe hold', 'probe report files'));
    const outcome = await app.run([], { root });
    expect(outcome).toMatchObject({ status: 0 });
    const { mounts } = parsed<{ mounts: { path: string; options: string }[] }>(outcome);
    const options = (path: string) => mounts.filter((mount) => mount.path === path).map((mount) => mount.options);
    expect(options(`${root}/var/lib/metactl/apps/shop/state`)).toEqual([expect.stringMatching(/^rw,/)]);
    expect(options(`${root}/apps/shop`)).toEqual([expect.stringMatching(/^ro,/)]);
    expect(options(root)).toEqual([expect.stringMatching(/^ro,/)]);
  });
});

describe('mounts made for the app', () => {
  it('hides with `hide` and gives an empty directory of some size with `tmpfs`', async () => {
    const [hidden, scratchSpace] = [directory('/srv/metactl-place-'), directory('/srv/metactl-place-')];
    for (const path of [hidden, scratchSpace]) writeFileSync(join(path, 'file'), 'of the host\n');
    app.configure({ node: `[sandbox.mounts]\n${hidden} = hide\n${scratchSpace} = tmpfs:64k` });
    await app.start();
    for (const path of [hidden, scratchSpace]) expect(await open(`${path}/file`)).toMatchObject({ result: 'ENOENT' });
    expect(await open(`${hidden}/new`, 'create')).toMatchObject({ result: 'EROFS' });
    expect(await open(`${scratchSpace}/new`, 'create')).toMatchObject({ result: 'ok' });
    const { mounts } = await app.report(['files']);
    expect(mounts.find(({ path }) => path === scratchSpace)).toMatchObject({
      fsType: 'tmpfs',
      superOptions: expect.stringContaining('size=64k'),
      options: expect.stringMatching(/^rw,nosuid,nodev/),
    });
    expect(readdirSync(scratchSpace)).toEqual(['file']);
  });

  it('hides files with `hide`, and lays no tmpfs over one', async () => {
    const place = directory('/srv/metactl-place-');
    const own = join(app.directory, 'key');
    for (const path of [join(place, 'file'), own]) writeFileSync(path, 'of the host\n', { mode: 0o644 });
    const node = `[sandbox.mounts]\n${place}/file = hide\n/etc/hosts = hide\n`;
    app.configure({ node, application: `[sandbox.mounts]\n${own} = hide\n` });
    await app.start();
    for (const path of [`${place}/file`, '/etc/hosts', own]) {
      expect(await app.enter(['cat', path])).toMatchObject({ status: 0, stdout: '' });
    }
    await app.stop();
    app.configure({ node: `[sandbox.mounts]\n${place}/file = tmpfs\n` });
    const message = `nodes/shop.conf:10: \`${place}/file\` is a file, and a tmpfs can't be mounted on it`;
    const refused = await app.run();
    expect(refused).toMatchObject({ status: 78, stdout: '' });
    expect(refused.stderr).toContain(message);
    const checked = await runMetactl(['check', 'shop'], { root: app.root });
    expect(checked.stdout + checked.stderr).toContain(message);
    expect(checked.status).toBe(78);
  });

  it('keeps /tmp to the app and to its size', async () => {
    app.configure({ node: '[sandbox]\ntmp-size = 1m' });
    await app.start();
    const { mounts } = await app.report(['files']);
    for (const path of ['/tmp', '/var/tmp']) {
      expect(mounts.find((mount) => mount.path === path)).toMatchObject({
        superOptions: expect.stringContaining('size=1024k'),
      });
    }
    expect(await open('/tmp/of-the-app', 'create')).toMatchObject({ result: 'ok' });
    expect(existsSync('/tmp/of-the-app')).toBe(false);
  });
});

describe('what no app may see', () => {
  it('is empty and read-only', async () => {
    const hidden = ['/etc/metactl', '/etc/ssh', '/etc/ssl/private', '/home', '/root', '/run'];
    const more = ['/var/lib/metactl', '/var/log', '/var/spool'];
    await app.start();
    const { mounts } = await app.report(['files']);
    const shown = mounts.map(({ path, fsType, options }) => `${path} ${fsType} ${options.split(',')[0]}`);
    const there = [...hidden, ...more].filter((path) => existsSync(path));
    expect(shown).toEqual(expect.arrayContaining(there.map((path) => `${path} tmpfs ro`)));
    for (const path of there) {
      expect(await open(path)).toMatchObject({ result: 'ok' });
      expect(readdirSync(`/proc/${app.init()}/root${path}`)).toEqual(path === '/run' ? ['.metactl'] : []);
    }
  });

  it('metactl’s files under a moved root are gone, but for the app’s own', async () => {
    await app.start();
    for (const path of ['etc/metactl/nodes/shop.conf', 'var/lib/metactl/leases.json', 'run/metactl/shop/main.json']) {
      expect(existsSync(join(app.root, path))).toBe(true);
      expect(await open(join(app.root, path))).toMatchObject({ result: 'ENOENT' });
    }
  });

  it('sockets of the host are gone', async () => {
    const path = `/run/metactl-test-${process.pid}.sock`;
    const server: Server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(path, resolve));
    undo.push(() => server.close());
    chmodSync(path, 0o666);
    await app.start();
    expect(await outside('attack', 'unix', path)).toMatchObject({ result: 'ok' });
    expect(await app.attack(['unix', path])).toMatchObject({ result: 'ENOENT' });
  });

  it('the host’s processes are gone', async () => {
    await app.start();
    const { processes } = await app.report(['process']);
    expect(processes.map(({ comm }) => comm).sort()).toEqual(['metactl-init', 'probe', 'probe']);
    expect(await app.attack(['signal', String(process.pid), '0'])).toMatchObject({ result: 'ESRCH' });
    // ENOSYS: on a kernel without pidfds there is no way to ask.
    const { result } = await app.attack(['join', String(process.pid)]);
    expect(result).toMatch(/^(?:ESRCH|ENOSYS)$/);
  });
});

describe('two apps', () => {
  it('see nothing of each other', async () => {
    const other = makeProbeApp(scratch, 'other', { daemons: { main: 'hold' } });
    await Promise.all([app.start(), other.start()]);
    writeFileSync(join(other.state, 'file'), 'of the other\n', { mode: 0o666 });
    expect(await other.attack(['open', '/tmp/secret', 'create'])).toMatchObject({ result: 'ok' });
    expect(await other.attack(['open', '/dev/shm/secret', 'create'])).toMatchObject({ result: 'ok' });
    const [mine, others] = [await app.report(), await other.report()];
    expect(mine.uid[0]).not.toBe(others.uid[0]);
    const shared = Object.entries(mine.namespaces).filter(([name, inode]) => inode === others.namespaces[name]);
    expect(shared.map(([name]) => name).sort()).toEqual(['time', 'user']);
    expect(mine.processes.filter(({ uid }) => uid === others.uid[0])).toEqual([]);
    for (const path of [`${other.state}/file`, '/tmp/secret', '/dev/shm/secret']) {
      expect(await open(path)).toMatchObject({ result: 'ENOENT' });
    }
    expect(mine.files['/etc/passwd']).not.toContain('other');
  });
});
