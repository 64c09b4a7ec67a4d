import { chownSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { onTerminal } from '../../helpers/on-terminal.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

const MAPPED = '[sandbox]\nuser-namespace = yes\n';
const NONE = '0000000000000000';
const NOBODY = 65_534;
/** Before Linux 5.12 the state is made for ids of the block. */
const IDMAPPED = addon().hasMountApi();

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop', { node: MAPPED });
});

const lease = (): { uid: number; ids: number } =>
  JSON.parse(readFileSync(join(app.root, 'var/lib/metactl/leases.json'), 'utf8')).apps.shop;

/** Host pid of the daemon of a running app's PID 1. */
function daemonOf(): number {
  const init = app.init();
  return Number(readFileSync(`/proc/${init}/task/${init}/children`, 'utf8').trim());
}
const statusOf = (pid: number, key: string) =>
  new RegExp(`^${key}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];

describe('a daemon in a user namespace', () => {
  it('is 1000 inside and an id of the app’s block outside, without any capability', async () => {
    await app.start();
    const { uid, ids } = lease();
    expect(ids % 65_536).toBe(0);
    expect(ids).toBeGreaterThanOrEqual(524_288);
    const daemon = daemonOf();
    const outside = ids + 1000;
    for (const key of ['Uid', 'Gid']) expect(statusOf(daemon, key)).toBe(Array(4).fill(outside).join('\t'));
    expect(statusOf(daemon, 'Groups')?.trim()).toBe('');
    for (const name of ['uid_map', 'gid_map']) {
      expect(readFileSync(`/proc/${daemon}/${name}`, 'utf8').trim().split(/\s+/).map(Number)).toEqual([0, ids, 65_536]);
    }
    const report = await app.report(['process']);
    expect(report).toMatchObject({ uid: [1000, 1000, 1000], gid: [1000, 1000, 1000], groups: [] });
    expect(report.status).toMatchObject({ CapInh: NONE, CapPrm: NONE, CapEff: NONE, CapBnd: NONE, CapAmb: NONE });
    expect(report.status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
    expect(report.securebits).toBe(0);
    expect(report.namespaces.user).toBe(readlinkSync(`/proc/${daemon}/ns/user`));
    // PID 1 stays outside: it is not the app's to signal, look at or replace.
    expect(readlinkSync(`/proc/${app.init()}/ns/user`)).toBe(readlinkSync('/proc/self/ns/user'));
    expect(readdirSync(`/proc/${app.init()}/fd`)).toHaveLength(5);
    expect(report.processes.find(({ pid }) => pid === 1)).toMatchObject({ uid: NOBODY });
    expect(uid).toBeLessThan(100_000);
  });

  it('writes state that belongs to the leased user on disk, and /tmp is root’s inside', async () => {
    await app.start();
    const { uid: leased, ids } = lease();
    const uid = IDMAPPED ? leased : ids + 1000;
    const file = join(app.state, 'mine');
    expect(await app.attack(['open', file, 'create'])).toMatchObject({ result: 'ok' });
    expect(await app.attack(['open', '/tmp/mine', 'create'])).toMatchObject({ result: 'ok' });
    for (const path of [app.state, join(app.state, 'log'), file])
      expect(lstatSync(path)).toMatchObject({ uid, gid: uid });
    const tmp = join(app.root, 'run/metactl/shop/tmp/tmp');
    expect(lstatSync(tmp)).toMatchObject({ uid: ids, gid: ids, mode: 0o41777 });
    expect(lstatSync(join(tmp, 'mine'))).toMatchObject({ uid: ids + 1000, gid: ids + 1000 });
    const script = 'stat -c "%n %u %g" "$HOME" "$HOME/mine" /tmp /tmp/mine /etc/passwd /dev/null /dev/pts /usr';
    const { stdout } = await app.enter(['/bin/sh', '-c', script]);
    expect(stdout.trim().split('\n')).toEqual([
      `${app.state} 1000 1000`,
      `${file} 1000 1000`,
      '/tmp 0 0',
      '/tmp/mine 1000 1000',
      ...['/etc/passwd', '/dev/null', '/dev/pts', '/usr'].map((path) => `${path} ${NOBODY} ${NOBODY}`),
    ]);
  });

  it('goes on with the state of before, and back, without a change of owner', async () => {
    app.configure({});
    await app.start();
    expect(await app.attack(['open', join(app.state, 'before'), 'create'])).toMatchObject({ result: 'ok' });
    await app.stop();
    app.configure({ node: MAPPED });
    if (!IDMAPPED) {
      const { status, stderr } = await app.run();
      expect(status).toBe(78);
      expect(stderr).toMatch(/give it to the app \(chown -R (\d+):\1 \S+\)/);
      return;
    }
    await app.start();
    const owner = lease().uid;
    for (const name of ['before', 'after']) {
      expect(await app.attack(['open', join(app.state, name), 'create'])).toMatchObject({ result: 'ok' });
      expect(lstatSync(join(app.state, name))).toMatchObject({ uid: owner, gid: owner });
    }
    await app.stop();
    app.configure({});
    await app.start();
    expect(await app.attack(['open', join(app.state, 'after'), 'w'])).toMatchObject({ result: 'ok' });
  });

  it('needs no idmapped mount for state that was given to the block', async () => {
    await app.start();
    await app.stop();
    const { ids } = lease();
    for (const path of [app.state, join(app.state, 'log')]) chownSync(path, ids + 1000, ids + 1000);
    const { stdout } = await runMetactl(['plan', 'shop'], { root: app.root });
    expect(stdout).not.toContain('idmapped');
    await app.start();
    expect(await app.attack(['open', join(app.state, 'file'), 'create'])).toMatchObject({ result: 'ok' });
    expect(lstatSync(join(app.state, 'file')).uid).toBe(ids + 1000);
  });

  it('keeps the number of a configured user and of groups, whose files on disk are theirs', async () => {
    app.configure({ node: MAPPED, daemon: 'user = daemon\ngroup = games\nsupplementary-groups = tty' });
    await app.start();
    const { ids } = lease();
    expect(await app.report(['process'])).toMatchObject({ uid: [1, 1, 1], gid: [60, 60, 60], groups: [5] });
    expect(statusOf(daemonOf(), 'Uid')).toBe(
      Array(4)
        .fill(ids + 1)
        .join('\t'),
    );
    expect(statusOf(daemonOf(), 'Groups')?.trim()).toBe(String(ids + 5));
    expect(await app.attack(['open', join(app.state, 'file'), 'create'])).toMatchObject({ result: 'ok' });
    const [uid, gid] = IDMAPPED ? [1, 60] : [ids + 1, ids + 60];
    expect(lstatSync(join(app.state, 'file'))).toMatchObject({ uid, gid });
    // Outside its own directories it is nobody: what the host's user could read, it can't.
    const secret = join(app.root, 'secret');
    writeFileSync(secret, 'gold', { mode: 0o600 });
    chownSync(secret, 1, 60);
    expect(await app.attack(['open', secret, 'r'])).toMatchObject({ result: 'EACCES' });
  });

  it('has terminals, message queues, shared memory and every device', async () => {
    await app.start();
    const script = [
      'set -e',
      'for d in null zero full random urandom; do test -c /dev/$d; head -c 1 /dev/$d >/dev/null; done',
      'echo x >/dev/shm/x; cat /dev/shm/x',
      'test -d /dev/mqueue; cat /proc/sys/kernel/hostname /sys/kernel/uevent_seqnum >/dev/null',
      'cat /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | grep -q .',
    ].join('\n');
    expect(await app.enter(['/bin/sh', '-c', script])).toMatchObject({ status: 0, stderr: '', stdout: 'x\n' });
    const shown = await onTerminal({
      root: app.root,
      program: `${process.execPath} ${REPOSITORY}/bin/metactl.cjs shell shop`,
      keys: { after: /\$ $/, text: 'stat -c "owner %u %g" "$(tty)"; id -un; exit 7\n' },
    });
    expect(shown).toMatch(/owner 1000 1000\s+shop\s/);
  });

  it('is shown by ps with both ids, and by plan with its block and maps', async () => {
    await app.start();
    const { ids, uid } = lease();
    const ps = await runMetactl(['ps', 'shop', '--json'], { root: app.root });
    const shown = JSON.parse(ps.stdout).map((one: Record<string, unknown>) => [one.insidePid, one.uid, one.insideUid]);
    expect(shown).toEqual([
      [1, 0, null],
      [2, ids + 1000, 1000],
    ]);
    const table = await runMetactl(['ps', 'shop'], { root: app.root });
    expect(table.stdout).toContain(` ${ids + 1000}/1000 `);
    const { stdout } = await runMetactl(['plan', 'shop'], { root: app.root });
    expect(stdout).toContain('namespaces   mount pid ipc uts cgroup network user\n');
    expect(stdout).toContain(`ids          0-65535 inside are ${ids}-${ids + 65_535} on the host\n`);
    const map = IDMAPPED ? `${uid} is 1000 inside, ` : '';
    expect(stdout).toContain(`users ${map}${ids} and up as on the host; groups ${map}${ids} and up`);
    expect(stdout).toContain(`${app.state} rw,nosuid,nodev${IDMAPPED ? ',idmapped' : ''}\n`);
  });

  it('leaves its ids to no other app', async () => {
    const other = makeProbeApp(scratch, 'other', { node: MAPPED });
    await app.start();
    await other.start();
    const { apps } = JSON.parse(readFileSync(join(app.root, 'var/lib/metactl/leases.json'), 'utf8'));
    expect(Math.abs(apps.shop.ids - apps.other.ids)).toBeGreaterThanOrEqual(65_536);
    expect(statSync(`/proc/${other.init()}`).isDirectory()).toBe(true);
    const { namespaces } = await other.report(['process']);
    expect(namespaces.user).not.toBe((await app.report(['process'])).namespaces.user);
  });
});

describe('what can’t be mapped', () => {
  it('is refused before anything is made: a state directory of root’s', async () => {
    await app.start();
    await app.stop();
    chownSync(app.state, 0, 0);
    const { status, stderr } = await app.run();
    expect({ status, stderr }).toMatchObject({ status: 78 });
    expect(stderr).toContain(`the state directory ${app.state} belongs to user 0`);
    expect(readdirSync(join(app.root, 'run/metactl'))).toEqual([]);
  });

  it('without a user namespace `user = root` is refused as ever', async () => {
    app.configure({ daemon: 'user = root' });
    const { status, stderr } = await app.run();
    expect(status).toBe(78);
    expect(stderr).toContain('[daemon.main] user: `root` is not allowed in a sandbox');
  });

  it('is refused for ids that the machine does not have', async () => {
    scratch.metactlConf('[node]\nsubuid-range = 1000-2000\n');
    const { status, stderr } = await app.run();
    expect(status).toBe(125);
    expect(stderr).toContain('no 65536 ids in a row are free in 1000-2000');
  });
});
