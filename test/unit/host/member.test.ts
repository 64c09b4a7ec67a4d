import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { readIdentity } from '../../../src/host/linux/identity.ts';
import { isMember, type Membership, membershipOf, withMain } from '../../../src/host/linux/member.ts';

const uid = process.geteuid!();
const children: ReturnType<typeof spawn>[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process whose only child sleeps until its standard input ends; both are told by pid. */
async function family() {
  const parent = spawn('/bin/sh', ['-c', 'exec 3<&0; cat <&3 >/dev/null & echo $!; wait; exec sleep 1000'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  children.push(parent);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const main = Number(line.toString());
  const end = async () => {
    parent.stdin.end();
    await expect.poll(() => readIdentity(main)).toBeUndefined();
  };
  return { init: parent.pid!, main, end };
}

const sender = (pid: number, by = uid) => ({ pid, uid: by, pidfd: undefined });

describe('the main process of a daemon', () => {
  it('is the first child of metactl-init', async () => {
    const { init, main } = await family();
    const membership = withMain(membershipOf(init, '/not-there')!, init);
    const { startTime } = readIdentity(main)!;
    expect(membership.main).toEqual({ pid: main, startTime, uids: [uid, uid, uid, uid] });
  });

  it('is none outside of the sandbox', async () => {
    const { init } = await family();
    const elsewhere: Membership = { pidNamespace: '1', cgroup: undefined };
    expect(withMain(elsewhere, init)).toBe(elsewhere);
    const inCgroup: Membership = { ...membershipOf(init, '/not-there')!, cgroup: '/not-there' };
    expect(withMain(inCgroup, init)).toBe(inCgroup);
  });

  it('is none where metactl-init has ended', async () => {
    const { init } = await family();
    const membership = membershipOf(init, '/not-there')!;
    children.at(-1)!.kill('SIGKILL');
    await expect.poll(() => readIdentity(init)).toBeUndefined();
    expect(withMain(membership, init)).toBe(membership);
  });
});

describe('who has ended by the time its message is read', () => {
  it('is nobody of the daemon’s, but for its main process', async () => {
    const { init, main, end } = await family();
    const before = membershipOf(init, '/not-there')!;
    const after = withMain(before, init);
    expect(isMember(sender(main), before)).toBe(true);
    await end();
    expect(isMember(sender(main), before)).toBe(false);
    expect(isMember(sender(main), after)).toBe(true);
    expect(isMember(sender(main, uid + 1), after)).toBe(false);
    expect(isMember(sender(0x3f_ffff), after)).toBe(false);
  });

  it('is not believed where its pid is another’s by now', async () => {
    const { main } = await family();
    const { pidNamespace, startTime } = readIdentity(main)!;
    const reused = { pidNamespace: '1', cgroup: undefined, main: { pid: main, startTime, uids: [uid] } };
    expect(isMember(sender(main), reused)).toBe(false);
    expect(isMember(sender(main), { ...reused, pidNamespace })).toBe(true);
  });

  it('counts as long as nobody has waited for it', async () => {
    // Its parent has executed another program, which waits for nobody.
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 1000'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    children.push(parent);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const state = () =>
      readFileSync(`/proc/${pid}/stat`, 'latin1')
        .replace(/^.*\) /s, '')
        .split(' ');
    await expect.poll(() => state()[0]).toBe('Z');
    const main = { pid, startTime: state()[19]!, uids: [uid] };
    expect(isMember(sender(pid), { pidNamespace: '1', cgroup: undefined, main })).toBe(true);
    const another = { ...main, startTime: '1' };
    expect(isMember(sender(pid), { pidNamespace: '1', cgroup: undefined, main: another })).toBe(false);
    expect(isMember(sender(pid), { pidNamespace: '1', cgroup: undefined })).toBe(false);
  });
});
