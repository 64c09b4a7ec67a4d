import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import type { Outcome } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop', { daemons: { main: 'burn 1' } });
});

/** Nothing ran and nothing was made: no lease, no state directory, no cgroup. */
function expectNothingStarted(outcome: Outcome, status = 78): void {
  expect(outcome, outcome.stderr).toMatchObject({ status, stdout: '' });
  expect(existsSync(join(app.root, 'var/lib/metactl'))).toBe(false);
  expect(existsSync(join(app.root, 'run/metactl'))).toBe(false);
}

describe('a .metactl written by a developer', () => {
  it.each([
    ['user = root', '[daemon.main]\nuser = root'],
    ['group = root', '[daemon.main]\ngroup = root'],
    ['supplementary-groups', '[daemon.main]\nsupplementary-groups = disk shadow'],
    ['oom-score-adjust', '[daemon.main]\noom-score-adjust = -1000'],
    ['nice below the default', '[daemon.main]\nnice = -10'],
    ['more open files', '[daemon.main]\nlimit-nofile = 2000000'],
    ['no sandbox', '[sandbox]\nenabled = no'],
    ['no filter', '[sandbox]\nseccomp = none'],
    ['root allowed', '[sandbox]\nallow-root = yes'],
    ['capabilities', '[sandbox]\ncapabilities = NET_BIND_SERVICE'],
    ['devices', '[sandbox]\ndevices = /dev/fuse'],
    ['limits that are not enforced', '[sandbox]\nbest-effort = yes'],
    ['another network', '[sandbox.net]\nmode = host'],
    ['an address', '[sandbox.net]\nip = 100.64.0.9'],
    ['a mount of the host', '[sandbox.mounts]\n/etc/metactl = ro'],
    ['a mount by from:', '[sandbox.mounts]\n%(state_dir)/x = from:/root'],
    ['a mount by ..', '[sandbox.mounts]\n/srv = from:%(state_dir)/../../../etc'],
    ['a mount over /proc', '[sandbox.mounts]\n/proc = tmpfs'],
    ['a mount over what the sandbox hides', '[sandbox.mounts]\n/home = tmpfs'],
    ['another app directory', '[app]\ndirectory = /'],
    ['its own trust', '[trust]\napplication = full'],
    ['a file of root', '[env]\nX = %(file:/etc/shadow)'],
    ['lines for systemd', '[systemd.Service]\nUser = root'],
    ['a hook outside the sandbox', '[hooks]\non-stop = /bin/true'],
  ])('can’t ask for %s', async (_, text) => {
    app.configure({ daemons: { main: 'burn 1' }, application: `${text}\n` });
    const outcome = await app.run();
    expectNothingStarted(outcome);
    expect(outcome.stderr).toContain(`${app.directory}/.metactl:`);
  });

  it('can’t smuggle a value into a key of the administrator’s', async () => {
    app.configure({
      daemons: { main: 'burn 1' },
      daemon: 'user = %(RUN_AS)',
      node: '[env]\n',
      application: '[env]\nRUN_AS = root\n',
    });
    expectNothingStarted(await app.run());
  });

  it('is not read through a link, and nothing of the target is shown', async () => {
    const secret = join(app.root, 'secret');
    writeFileSync(secret, 'root:$6$xyzzy:19000::::::\n', { mode: 0o600 });
    symlinkSync(secret, join(app.directory, '.metactl'));
    const outcome = await app.run();
    expectNothingStarted(outcome);
    expect(outcome.stderr).toContain(`${app.directory}/.metactl: found a symbolic link, expected a regular file`);
    expect(outcome.stderr).not.toContain('xyzzy');
  });

  it('can’t stop metactl with a pipe or a device in its place', async () => {
    symlinkSync('/dev/zero', join(app.directory, '.metactl'));
    expectNothingStarted(await app.run([], { timeout: 10_000 }));
  });
});

describe('links in directories that the app or its developers write', () => {
  /** A directory of the host that must not be seen. */
  function treasure(): string {
    const path = join(app.root, 'treasure');
    mkdirSync(path, { mode: 0o777 });
    writeFileSync(join(path, 'file'), 'gold\n', { mode: 0o666 });
    return path;
  }

  /** The app's first start makes its state directory. */
  async function startOnce(): Promise<void> {
    app.configure({ daemons: { main: 'exit 0' } });
    expect(await app.run()).toMatchObject({ status: 0 });
  }

  it.each(['rw', 'ro'])('.metactl mounts nothing from a link in its state: %s', async (kind) => {
    await startOnce();
    symlinkSync(treasure(), join(app.state, 'data'));
    app.configure({
      daemons: { main: 'burn 1' },
      application: `[sandbox.mounts]\n${app.state}/data = ${kind}\n`,
    });
    const { status, stdout, stderr } = await app.run();
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
    expect(stderr).toContain('expected hide or tmpfs: an application may only take away');
  });

  it('nor undoes it what an administrator hides, by whatever link', async () => {
    await startOnce();
    const keys = join(app.directory, 'keys');
    mkdirSync(keys);
    writeFileSync(join(keys, 'file'), 'gold\n', { mode: 0o644 });
    symlinkSync(keys, join(app.state, 'alias'));
    app.configure({
      daemons: { main: `open ${join(keys, 'file')}` },
      node: `[sandbox.mounts]\n${keys} = hide\n`,
      application: `[sandbox.mounts]\n${app.state}/alias = tmpfs\n`,
    });
    expect((await app.run()).stdout).not.toContain('gold');
  });

  it('nor over a link in its release: /etc stays /etc', async () => {
    symlinkSync('/etc', join(app.directory, 'cache'));
    app.configure({
      daemons: { main: 'burn 1' },
      application: `[sandbox.mounts]\n${app.directory}/cache = tmpfs\n`,
    });
    const { status, stdout, stderr } = await app.run();
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
    expect(stderr).toContain("leads out of the app's own directories, to `/etc`");
  });

  it('nor does the administrator by a path in there', async () => {
    await startOnce();
    symlinkSync(treasure(), join(app.state, 'data'));
    app.configure({ daemons: { main: 'burn 1' }, node: `[sandbox.mounts]\n/srv = rw:from:${app.state}/data\n` });
    expect(await app.run()).toMatchObject({ status: 78, stdout: '' });
  });

  it('a state directory that is a link is refused', async () => {
    await startOnce();
    const path = treasure();
    rmSync(app.state, { recursive: true });
    symlinkSync(path, app.state);
    app.configure({ daemons: { main: 'burn 1' } });
    const { status, stdout, stderr } = await app.run();
    expect({ status, stdout }).toEqual({ status: 125, stdout: '' });
    expect(stderr).toContain(`${app.state} is no directory`);
    expect(lstatSync(path).uid).toBe(0);
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('gold\n');
  });

  it('a log directory that is a link leads root nowhere', async () => {
    await startOnce();
    const path = treasure();
    rmSync(join(app.state, 'log'), { recursive: true });
    symlinkSync(path, join(app.state, 'log'));
    app.configure({ daemons: { main: 'attack open %(log_dir)/file r' } });
    const { stdout } = await app.run();
    // The app may follow it as itself, in its own view: there the target is an ordinary file of the host's root.
    expect(stdout).toContain('"attack":"open"');
    expect(lstatSync(path).uid).toBe(0);
    expect(lstatSync(join(path, 'file')).uid).toBe(0);
  });

  it.each([
    ['/etc/metactl', (root: string) => join(root, 'etc/metactl')],
    ['another app’s place', (root: string) => join(root, 'var/lib/metactl/apps')],
    ['/root', () => '/root'],
    ['/', () => '/'],
  ])('an app directory that is a link to %s is refused', async (_, target) => {
    const other = makeProbeApp(scratch, 'other', { daemons: { main: 'exit 0' } });
    expect(await other.run()).toMatchObject({ status: 0 });
    const link = join(app.root, 'checkout');
    symlinkSync(target(app.root), link);
    scratch.node(
      'shop',
      `[app]\ndirectory = ${link}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ${other.probe} burn 1\n`,
    );
    const { status, stdout, stderr } = await app.run();
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
    expect(stderr).toContain(`the app directory ${link} leads to`);
  });
});
