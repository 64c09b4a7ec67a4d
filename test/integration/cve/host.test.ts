import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { onTerminal } from '../../helpers/on-terminal.ts';
import { makeProbeApp, outside, type ProbeApp } from '../../helpers/probe-app.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useChildren } from '../../helpers/use-children.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;
const children = useChildren();

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

const BIN = join(REPOSITORY, 'bin/metactl.cjs');
const LEGACY_TIOCSTI = '/proc/sys/dev/tty/legacy_tiocsti';

/** Lets TIOCSTI work as it did before Linux 6.2, for as long as `body` runs. */
async function withTiocsti(body: () => Promise<void>): Promise<void> {
  let before: string | undefined;
  try {
    before = readFileSync(LEGACY_TIOCSTI, 'utf8');
    writeFileSync(LEGACY_TIOCSTI, '1');
  } catch (error) {
    // Older kernels have no such switch, and TIOCSTI.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  try {
    await body();
  } finally {
    if (before !== undefined) writeFileSync(LEGACY_TIOCSTI, before);
  }
}

const abstractSockets = () =>
  readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .flatMap((line) => /\s(@.*)$/.exec(line)?.[1] ?? []);

describe('the host', () => {
  it('CVE-2017-5226, CVE-2019-10063: no keys are pushed into the terminal of whoever opens a shell', async () => {
    await withTiocsti(async () => {
      // On the terminal itself the attack works.
      const victim = await onTerminal({ root: app.root, program: `${fixtures().probe} attack tiocsti` });
      expect(victim).toContain('"result":"ok"');
      expect(victim).toMatch(/outer got <x+typed>/);

      const shell = `${process.execPath} ${BIN} shell shop`;
      const keys = { after: /[$#] $/, text: `${app.probe} attack tiocsti\nexit\n` };
      const session = { root: app.root, program: shell, keys };
      await app.start();
      const filtered = await onTerminal(session);
      expect(filtered).toMatch(/"result":"EPERM","highBits":"EPERM","tioclinux":"E(PERM|NOTTY|INVAL)","tty":1/);
      expect(filtered).toContain('outer got <typed>');
      await app.stop();

      // Without the filter the keys end up in the new terminal, and go no further.
      app.configure({ node: '[sandbox]\nseccomp = none\n' });
      await app.start();
      const unfiltered = await onTerminal(session);
      expect(unfiltered).toContain('"result":"ok"');
      expect(unfiltered).toContain('outer got <typed>');
    });
  });

  it('CVE-2017-5226, CVE-2019-10063: exec hands no terminal of the caller’s over', async () => {
    await app.start();
    const program = `${process.execPath} ${BIN} exec shop -- ${app.probe} report process </dev/null`;
    const shown = await onTerminal({ root: app.root, program });
    const report = JSON.parse(shown.split('\n').find((line) => line.startsWith('{'))!);
    const ttys = Object.values(report.descriptors).filter((target) => /^\/dev\/(pts|tty)/.test(String(target)));
    expect(ttys).toEqual([]);
  });

  it('CVE-2020-15257: metactl listens on no abstract socket, and the host’s can’t be reached', async () => {
    const before = abstractSockets();
    const name = `metactl-test-${process.pid}`;
    await app.start();
    expect(abstractSockets().filter((socket) => !before.includes(socket))).toEqual([]);
    const listener = spawn(fixtures().probe, ['attack', 'abstract-listen', name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(listener);
    await once(listener.stdout, 'data');
    expect(await outside('attack', 'abstract', name)).toMatchObject({ result: 'ok' });
    expect(await app.attack(['abstract', name])).toMatchObject({ result: 'ECONNREFUSED' });
    expect(await app.attack(['abstract', name], ['--as-root'])).toMatchObject({ result: 'ECONNREFUSED' });
    // Sockets of metactl's own lie in a directory of root's.
    const run = join(app.root, 'run/metactl');
    for (const path of [run, join(run, 'shop')]) expect(statSync(path).mode & 0o077).toBe(0);
    for (const file of readdirSync(run, { withFileTypes: true, recursive: true })) {
      if (file.isSocket()) expect(statSync(join(file.parentPath, file.name)).mode & 0o777).toBe(0o600);
    }
  });

  it('CVE-2017-5985: the package has no set-id program, so nobody but root makes networks', async () => {
    const packed = JSON.parse(
      execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
        cwd: REPOSITORY,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    );
    const files: { path: string; mode: number }[] = packed[0].files;
    expect(files.map(({ path }) => path)).toContain('build/Release/metactl-init');
    expect(files.filter(({ mode }) => (mode & 0o6000) !== 0)).toEqual([]);
    for (const path of ['build/Release/metactl-init', 'build/Release/metactl.node', 'bin/metactl.cjs']) {
      expect(statSync(join(REPOSITORY, path)).mode & 0o6000).toBe(0);
    }
    const nobody = { root: app.root, uid: 65534, gid: 65534 };
    for (const verb of [
      ['run', 'shop'],
      ['exec', 'shop', '--', 'id'],
      ['shell', 'shop'],
    ]) {
      expect(await runMetactl(verb, nobody), verb.join(' ')).toMatchObject({ status: 77, stdout: '' });
    }
  });

  it.each([
    '0',
    '00',
    '+0',
    '-1',
    '4294967295',
    '4294967296',
    '0x0',
    '0:0',
    'root',
    'root:root',
    'nobody:0',
    'ROOT',
    ':',
  ])('CVE-2026-30892: `user = %s` never falls through to another user', async (user) => {
    app.configure({ daemon: `user = ${user}`, daemons: { main: 'report process' } });
    expect(await app.run()).toMatchObject({ status: 78, stdout: '' });
  });

  it('CVE-2026-30892: a user is whom it names, in every id; exec takes none', async () => {
    app.configure({ daemon: 'user = nobody', daemons: { main: 'report process' } });
    const { uid, gid } = JSON.parse((await app.run()).stdout);
    expect({ uid, gid }).toEqual({ uid: [65534, 65534, 65534], gid: [65534, 65534, 65534] });
    app.configure({});
    await app.start();
    for (const option of ['-u', '--user']) {
      const outcome = await runMetactl(['exec', 'shop', option, 'root', '--', app.probe, 'report'], { root: app.root });
      expect(outcome).toMatchObject({ status: 125, stdout: '' });
    }
  });
});
