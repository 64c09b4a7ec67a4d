import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { AttackReport, ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, outside, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import { type Outcome, REPOSITORY } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

const AS_ROOT = ['--as-root'];
const INIT = join(REPOSITORY, 'build/Release/metactl-init');
const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Runs metactl with a directory of the host left open at descriptor 200, as a careless parent does. */
function runWithLeak(directory: string, ...args: string[]): Promise<Outcome> {
  const script = 'exec 200<"$1"; shift; exec "$@"';
  const words = ['-c', script, 'bash', directory, process.execPath, join(REPOSITORY, 'bin/metactl.cjs'), ...args];
  return new Promise((resolve) => {
    execFile('bash', words, { env: { PATH: '/usr/bin:/bin', METACTL_ROOT: app.root } }, (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code);
      resolve({ stdout, stderr, status, signal: undefined });
    });
  });
}

describe('out of the sandbox', () => {
  it('CVE-2019-5736: nobody inside overwrites the program that entered', async () => {
    const before = [INIT, process.execPath].map(digest);
    // The attack works on a program that nothing protects.
    const victim = join(app.root, 'victim');
    copyFileSync(fixtures().first, victim);
    expect(await outside('attack', 'write-exe', victim)).toMatchObject({ result: 'ok', seals: -1 });

    await app.start();
    expect(await app.attack(['write-exe', '/proc/1/exe'])).toMatchObject({ result: 'EACCES' });
    expect(await app.attack(['write-exe', '/proc/1/exe'], AS_ROOT)).toMatchObject({ result: 'EACCES' });
    expect(await app.attack(['write-exe', '/proc/self/exe'])).toMatchObject({ result: 'EACCES' });

    // The trick itself: the administrator runs a file of the app's, which makes him run what he came with, again.
    const evil = join(app.state, 'evil');
    writeFileSync(evil, '#!/proc/self/exe\n', { mode: 0o755 });
    const ambush = app.attack(['ambush', '2000'], AS_ROOT);
    for (let i = 0; i < 3; i++) {
      const { status, stdout } = await app.enter([evil], AS_ROOT);
      expect({ started: status === 0, stdout }).toEqual({ started: false, stdout: '' });
    }
    expect(await ambush).toMatchObject({ exe: expect.stringMatching(/^(EACCES|none)$/) });

    // Even root on the host can't write it: F_SEAL_SEAL, SHRINK, GROW and WRITE.
    const { result, seals } = await outside('attack', 'write-exe', `/proc/${app.init()}/exe`);
    expect(result).toMatch(/^(ETXTBSY|EPERM)$/);
    expect(Number(seals)).toBeGreaterThan(0);
    expect(Number(seals) & 0xf).toBe(0xf);
    expect([INIT, process.execPath].map(digest)).toEqual(before);
  });

  it('CVE-2024-21626: no descriptor of the host’s is left, as working directory or otherwise', async () => {
    const directory = join(app.root, 'etc');
    app.configure({ daemons: { main: 'attack held-directories' } });
    const [run, fresh] = [
      await runWithLeak(directory, 'run', 'shop'),
      await runWithLeak(directory, 'exec', 'shop', '--fresh', '--', app.probe, 'attack', 'held-directories'),
    ];
    app.configure({});
    await app.start();
    const entered = await runWithLeak(directory, 'exec', 'shop', '--', app.probe, 'attack', 'held-directories');
    for (const outcome of [run, fresh, entered]) {
      expect(parsed<AttackReport>(outcome)).toMatchObject({ reached: [], top: '/' });
    }
  });

  it('CVE-2024-21626: a working directory behind a descriptor is refused', async () => {
    for (const fd of [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 200]) {
      app.configure({
        daemons: { main: 'attack held-directories' },
        application: `[daemon.main]\nworking-directory = /proc/self/fd/${fd}\n`,
      });
      const { status, stdout, stderr } = await runWithLeak('/', 'run', 'shop');
      expect({ fd, status, stdout }, stderr).toEqual({ fd, status: 125, stdout: '' });
      expect(stderr).toContain(`working directory \`/proc/self/fd/${fd}\``);
    }
  });

  it('CVE-2025-31133, CVE-2025-52565, CVE-2026-41579, CVE-2026-47766: devices and masks are what they seem', async () => {
    // The app's own directories are all that it can fill with links; none of them stands for a device.
    scratch.appDirectory('shop', { page: '' });
    for (const name of ['dev', 'proc']) symlinkSync('/etc', join(app.directory, name));
    app.configure({ daemons: { main: 'report files' } });
    const { devices, mounts } = parsed<ProbeReport>(await app.run());
    const numbers = devices.map(({ path, major, minor }) => `${path} ${major}:${minor}`);
    for (const expected of ['/dev/null 1:3', '/dev/pts/ptmx 5:2', '/dev/tty 5:0']) expect(numbers).toContain(expected);
    // A mask is that null device itself, read-only, or an empty directory; never a file that somebody put there.
    const masks = mounts.filter(({ path }) => /^\/(proc|sys)\/(kcore|keys|kallsyms|timer_list|interrupts)$/.test(path));
    expect(masks.length).toBeGreaterThan(0);
    for (const { root, fsType, options } of masks) {
      expect({ root, fsType, options }).toMatchObject({ root: '/null', fsType: 'tmpfs' });
      expect(options).toMatch(/^ro,/);
    }
    app.configure({});
    await app.start();
    for (const { path } of masks) {
      expect(await app.attack(['open', path, 'r'], AS_ROOT)).toMatchObject({ result: 'ok', text: '' });
    }
    for (const path of ['/proc/sys/kernel/core_pattern', '/proc/sys/vm/overcommit_memory', '/dev/new']) {
      expect(await app.attack(['open', path, 'create'], AS_ROOT)).toMatchObject({ path, result: 'EROFS' });
    }
  });

  it('CVE-2025-31133, CVE-2025-52565, CVE-2026-41579, CVE-2026-47766: a mount that loses the race to a link is not made', async () => {
    const treasure = join(app.root, 'treasure');
    const place = join(app.root, 'place');
    for (const path of [treasure, place]) mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(treasure, 'file'), 'gold\n', { mode: 0o644 });
    await app.start();
    const [data, link] = [join(app.state, 'data'), join(app.state, 'link')];
    mkdirSync(data);
    symlinkSync(treasure, link);
    // As the app: it owns the directory, so it may exchange the two.
    const swap = app.exec(['attack', 'swap', data, link], [], { timeout: 60_000 });
    app.configure({
      daemons: { main: 'hold', other: `attack open ${place}/file r` },
      node: `[sandbox.mounts]\n${place} = rw:from:${data}\n`,
    });
    const seen = new Set<unknown>();
    for (let i = 0; i < 25; i++) {
      const { status, stdout } = await app.run(['other']);
      seen.add(status === 0 ? JSON.parse(stdout).result : status);
      expect(stdout).not.toContain('gold');
    }
    // Both sides won at times, or the race was none.
    expect([...seen].filter((result) => result !== 'ENOENT')).not.toEqual([]);
    expect([...seen].filter((result) => ![78, 125, 'ENOENT'].includes(result as number))).toEqual([]);
    await app.stop();
    await swap;
  });

  it('CVE-2022-0492: no release_agent, no cgroup that can be written, none to be mounted', async () => {
    await app.start();
    for (const options of [[], AS_ROOT]) {
      const { files, mount } = await app.attack(['release-agent'], options);
      const results = Object.entries(files as Record<string, string>);
      expect(results.length).toBeGreaterThan(0);
      expect(results.filter(([, result]) => result !== 'EROFS' && result !== 'EACCES')).toEqual([]);
      expect(results.filter(([path]) => path.endsWith('release_agent'))).toEqual([]);
      expect(mount).toBe('EPERM');
    }
    const { status, namespaces } = await app.report(['process'], AS_ROOT);
    expect(BigInt(`0x${status.CapBnd}`) & (1n << 21n)).toBe(0n);
    expect(namespaces.cgroup).not.toBe((await outside<ProbeReport>('report', 'process')).namespaces.cgroup);
  });
});
