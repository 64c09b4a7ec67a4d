import { execFile } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import type { AttackReport, ProbeReport } from '../../helpers/probe.ts';
import { makeProbeApp, outside, type ProbeApp, parsed } from '../../helpers/probe-app.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

const NONE = '0000000000000000';
const AS_ROOT = ['--as-root'];

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop', ROOT);
});

const ROOT = { node: '[sandbox]\nuser-namespace = yes\n', daemon: 'user = root' };
/** With all that a node file can give, and nothing that filters system calls. */
const STRONG = {
  node: '[sandbox]\nuser-namespace = yes\nseccomp = none\ncapabilities = CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETFCAP SETPCAP SYS_CHROOT SYS_RESOURCE SYS_NICE IPC_LOCK NET_BIND_SERVICE AUDIT_WRITE\n',
  daemon: 'user = root',
};

const ids = (): number => JSON.parse(readFileSync(join(app.root, 'var/lib/metactl/leases.json'), 'utf8')).apps.shop.ids;

/** Runs the planted program as an ordinary user of the host who can reach it. */
function runAs(uid: number, path: string): Promise<ProbeReport> {
  return new Promise((resolve, reject) => {
    execFile(path, ['report', 'process'], { uid, gid: uid, encoding: 'utf8' }, (error, stdout) =>
      error === null ? resolve(JSON.parse(stdout)) : reject(error),
    );
  });
}

describe('root in a user namespace', () => {
  it('is root inside without any capability, and nobody outside', async () => {
    await app.start();
    const { uid, gid, status } = await app.report(['process']);
    expect({ uid, gid }).toEqual({ uid: [0, 0, 0], gid: [0, 0, 0] });
    expect(status).toMatchObject({ CapInh: NONE, CapPrm: NONE, CapEff: NONE, CapBnd: NONE, CapAmb: NONE });
    const init = app.init();
    const daemon = readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').trim();
    const outer = /^Uid:\s+(.*)$/m.exec(readFileSync(`/proc/${daemon}/status`, 'utf8'))![1];
    expect(outer).toBe(Array(4).fill(ids()).join('\t'));
  });

  it('reads nothing of the host’s root and writes nothing of the host’s', async () => {
    const secret = join(scratch.appDirectory('shop', { secret: 'gold' }), 'secret');
    chmodSync(secret, 0o600);
    await app.start();
    for (const path of [secret, '/etc/shadow', '/proc/1/environ', '/proc/kcore']) {
      const { result, text } = await app.attack(['open', path, 'r']);
      expect({ path, result, text: text ?? '' }).toEqual({
        path,
        result: expect.stringMatching(/^(EACCES|ENOENT|ok)$/),
        text: '',
      });
      if (path !== '/proc/kcore') expect({ path, result }).toEqual({ path, result: 'EACCES' });
    }
    for (const path of [
      '/etc/passwd',
      '/proc/sys/kernel/core_pattern',
      '/proc/sysrq-trigger',
      '/dev/x',
      '/x',
      secret,
    ]) {
      const { result } = await app.attack(['open', path, 'create']);
      expect({ path, result }).toEqual({ path, result: expect.stringMatching(/^E(ROFS|ACCES|NOENT)$/) });
    }
  });

  it.each([
    ['without capabilities', ROOT],
    ['with all that can be given', STRONG],
  ])('%s: plants no program that is more than nobody’s on the host', async (_, options) => {
    app.configure(options);
    await app.start();
    const strong = options === STRONG;
    const [file, other] = [join(app.state, 'planted'), join(app.state, 'other')];
    const planted = await app.attack(['plant', file]);
    expect(planted).toMatchObject({ copy: 'ok', chown: 'ok', chmod: 'ok', uid: 0, mode: 0o6755 });
    // Valid only for who has this namespace's root (rootid): the host's kernel passes over it.
    expect(planted.capability).toBe(strong ? 'ok' : 'EPERM');
    const first = ids();
    expect(lstatSync(file)).toMatchObject({ uid: first, gid: first, mode: 0o106755 });
    // Ids that are not the namespace's own, the host's 0 among them, have no name inside.
    expect(await app.attack(['plant', other, String(first)])).toMatchObject({ chown: 'EINVAL', uid: 0 });
    chmodSync(app.state, 0o755);
    const { uid, gid, status } = await runAs(65_500, file);
    expect({ uid, gid }).toEqual({ uid: [65_500, first, first], gid: [65_500, first, first] });
    expect(status).toMatchObject({ CapPrm: NONE, CapEff: NONE });
    // Even root of the host gains nothing: it has all capabilities anyway, but those in the file are not counted.
    expect(await outside<ProbeReport>('report', 'process')).toMatchObject({ uid: [0, 0, 0] });
    // Inside, no_new_privs and nosuid hold.
    const inside = JSON.parse((await app.enter([file, 'report', 'process'])).stdout) as ProbeReport;
    if (!strong) expect(inside.status).toMatchObject({ CapPrm: NONE, CapEff: NONE });
  });

  it.each([
    ['without capabilities', ROOT],
    ['with all that can be given, and no filter', STRONG],
  ])('%s: does nothing to PID 1, to namespaces and to mounts', async (_, options) => {
    app.configure(options);
    await app.start();
    const init = app.init();
    expect(await app.attack(['ptrace', '1'])).toMatchObject({ result: 'EPERM' });
    for (const number of ['0', '9', '15']) {
      expect(await app.attack(['signal', '1', number])).toMatchObject({ result: 'EPERM' });
    }
    const { attack: _name, ...parts } = await app.attack(['read-proc', '1']);
    for (const [part, result] of Object.entries(parts))
      expect({ part, result }).toEqual({ part, result: refused(part) });
    // ENOSYS: on a kernel without pidfds there is no way to ask.
    expect(await app.attack(['join', '1'])).toMatchObject({ result: expect.stringMatching(/^(?:EPERM|ENOSYS)$/) });
    expect(await app.attack(['write-exe', '/proc/1/exe'])).toMatchObject({ result: 'EACCES' });
    expect(await app.attack(['mknod', '/tmp'])).toMatchObject({ character: 'EPERM', block: 'EPERM' });
    expect(await app.attack(['remount', app.directory])).toMatchObject({
      mount: 'EPERM',
      // Before Linux 5.12 there is no such call.
      mount_setattr: expect.stringMatching(/^(?:EPERM|ENOSYS)$/),
      umount2: 'EPERM',
    });
    const { mount } = await app.attack(['release-agent']);
    expect(mount).toBe('EPERM');
    expect(await app.attack(['open', '/proc/1/oom_score_adj', 'w'])).toMatchObject({ result: 'EACCES' });
    expect(await app.attack(['open', '/proc/self/uid_map', 'w'])).toMatchObject({
      result: expect.stringMatching(/ok|EACCES/),
    });
    const rewrite =
      'for m in uid_map gid_map setgroups; do echo "0 0 4294967295" > /proc/self/$m && echo wrote $m; done';
    expect(await app.enter(['/bin/sh', '-c', rewrite])).toMatchObject({ stdout: '' });
    expect(readlinkSync(`/proc/${init}/ns/user`)).toBe(readlinkSync('/proc/self/ns/user'));
  });

  it.each([
    ['the daemon’s user', []],
    ['the administrator', AS_ROOT],
  ])('can’t trace who enters as %s, nor take a descriptor of his', async (_, options) => {
    app.configure(STRONG);
    await app.start();
    let report: AttackReport | undefined;
    // Where the machine is busy, few enter while the ambush lasts.
    for (let tries = 0; tries < 5 && !Number(report?.met); tries++) {
      const ambush = app.attack(['ambush', '6000']);
      let ended = false;
      void ambush.finally(() => {
        ended = true;
      });
      while (!ended) await app.enter(['/bin/true'], options);
      report = await ambush;
    }
    expect(Number(report?.met), JSON.stringify(report)).toBeGreaterThan(0);
    expect(report).toMatchObject({ ptrace: 'EPERM' });
    for (const way of ['fd', 'exe', 'root', 'cwd', 'mem', 'environ'])
      expect(report?.[way], way).toMatch(/^E(ACCES|PERM)$/);
  });

  it('can’t be less bound by the out-of-memory killer than it was', async () => {
    await app.start();
    const script =
      'echo -900 > /proc/self/oom_score_adj && echo lowered; echo 500 > /proc/self/oom_score_adj && echo raised';
    expect(await app.enter(['/bin/sh', '-c', script])).toMatchObject({ stdout: 'raised\n' });
  });

  it('sees no key of the host’s root', async () => {
    app.configure(STRONG);
    await app.start();
    const { sessionKeyringId, procKeys } = await app.report(['process']);
    expect(sessionKeyringId).toBeGreaterThan(0);
    expect(procKeys).toBe('');
    const host = (await outside<ProbeReport>('report', 'process')).sessionKeyringId;
    expect(sessionKeyringId).not.toBe(host);
  });

  it('entered as the administrator’s root, repairs the app’s files and ends its processes, and nothing else', async () => {
    app.configure({ node: '[sandbox]\nuser-namespace = yes\n', daemons: { main: 'hold' } });
    const running = await app.start();
    const first = ids();
    const secret = join(app.root, 'secret');
    writeFileSync(secret, 'gold', { mode: 0o600 });
    const report = await app.report(['process'], AS_ROOT);
    expect(report).toMatchObject({ uid: [0, 0, 0], gid: [0, 0, 0] });
    // CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID
    expect(report.status).toMatchObject({ CapEff: '00000000000000eb', CapBnd: '00000000000000eb', NoNewPrivs: '1' });
    expect(report.namespaces.user).toBe((await app.report(['process'])).namespaces.user);
    for (const path of [secret, '/etc/shadow']) {
      expect(await app.attack(['open', path, 'r'], AS_ROOT)).toMatchObject({ result: 'EACCES' });
    }
    // A file that a root inside has left is repaired: given to the app's user.
    const file = join(app.state, 'file');
    writeFileSync(file, 'x', { mode: 0o600 });
    chownSync(file, first, first);
    expect(await app.attack(['open', file, 'r'])).toMatchObject({ result: 'EACCES' });
    expect(await app.enter(['/bin/chown', '1000:1000', file], AS_ROOT)).toMatchObject({ status: 0 });
    expect(await app.attack(['open', file, 'r'])).toMatchObject({ result: 'ok' });
    // The host's root has no name inside, so a file of its is nobody's to repair.
    chownSync(file, 0, 0);
    expect((await app.enter(['/bin/chown', '1000:1000', file], AS_ROOT)).stderr).toMatch(/not permitted|too large/);
    expect(await app.attack(['signal', '1', '9'], AS_ROOT)).toMatchObject({ result: 'EPERM' });
    // The daemon, and with it everything in the sandbox, whoever did it included.
    const killer = await app.exec(['attack', 'signal', '2', '15'], AS_ROOT);
    expect(killer.stdout === '' ? killer.status : parsed(killer)).toEqual(
      killer.stdout === '' ? 137 : { attack: 'signal', result: 'ok' },
    );
    await running.ended;
  });
});

/** What the files of a process that may not be looked at answer; the kernel lets some be opened and gives nothing. */
function refused(part: string): unknown {
  return part === 'maps' ? expect.stringMatching(/^(E(ACCES|PERM))$/) : expect.stringMatching(/^E(ACCES|PERM)$/);
}
