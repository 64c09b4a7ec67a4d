import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { lockFile } from '../../../src/host/linux/flock.ts';
import { MetactlError } from '../../../src/util/error.ts';

let scratch: string;
const open = new Set<number>();

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'metactl-addon-'));
});

afterEach(() => {
  for (const fd of open) closeSync(fd);
  open.clear();
  for (const name of ['tmpfs', 'netns']) addon().unmount(join(scratch, name));
  rmSync(scratch, { recursive: true, force: true });
});

function keep(fd: number): number {
  open.add(fd);
  return fd;
}

function thrownBy(action: () => unknown): MetactlError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(MetactlError);
    return error as MetactlError;
  }
  throw new Error('nothing was thrown');
}

describe('failures', () => {
  it('are MetactlErrors with code, errno, system call, step and path', () => {
    const error = thrownBy(() => addon().mountTmpfs('/nowhere/at/all', { size: 4096, mode: 0o755 }));
    expect(error).toMatchObject({
      code: 'ENOENT',
      errno: 2,
      // openat before Linux 5.6.
      syscall: expect.stringMatching(/^openat2?$/),
      step: 'open path',
      path: '/nowhere/at/all',
    });
  });

  it('name a bad argument of the caller', () => {
    expect(thrownBy(() => addon().pidfdOpen(1.5)).code).toBe('METACTL_BAD_ARGUMENT');
    expect(thrownBy(() => addon().mountTmpfs('a\0b', { size: 1, mode: 0 })).code).toBe('METACTL_BAD_ARGUMENT');
    expect(thrownBy(() => addon().mountTmpfs(scratch, { size: 0, mode: 0 })).message).toContain('size must be');
  });
});

describe('flock', () => {
  it('tells that another description holds the lock, and waits with a bound', async () => {
    const path = join(scratch, 'lock');
    writeFileSync(path, '');
    const first = keep(openSync(path, 'r'));
    const second = keep(openSync(path, 'r'));
    expect(addon().flock(first, 'exclusive')).toBe(true);
    expect(addon().flock(second, 'shared')).toBe(false);
    await expect(lockFile(second, path, { timeout: 30 })).rejects.toMatchObject({ code: 'METACTL_LOCKED', path });
    // What all apps of the machine share is nobody's own.
    await expect(
      lockFile(second, path, { timeout: 0, users: 'changes the networks of this machine' }),
    ).rejects.toMatchObject({
      message: `\`${path}\` is locked by another process`,
      hint: 'another metactl changes the networks of this machine: try again when it is done',
    });
    addon().flock(first, 'unlock');
    await lockFile(second, path);
    expect(addon().flock(first, 'shared')).toBe(false);
  });
});

describe('mountTmpfs and unmount', () => {
  it('mounts with owner, mode and flags, and takes away every stacked mount', () => {
    const path = join(scratch, 'tmpfs');
    mkdirSync(path);
    addon().mountTmpfs(path, { size: 1 << 20, mode: 0o1750, uid: 4711, gid: 4712, inodes: 50 });
    addon().mountTmpfs(path, { size: 1 << 20, mode: 0o1750, uid: 4711, gid: 4712 });
    expect(statSync(path)).toMatchObject({ uid: 4711, gid: 4712, mode: 0o41750 });
    const line = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .find((text) => text.includes(path));
    expect(line).toMatch(/nosuid,nodev/);
    expect(line).toMatch(/size=1024k,nr_inodes=50/);
    expect(addon().unmount(path)).toBe(2);
    expect(addon().unmount(path)).toBe(0);
    expect(addon().unmount(join(scratch, 'absent'))).toBe(0);
  });

  it('follows no symlink', () => {
    const path = join(scratch, 'link');
    symlinkSync('/tmp', path);
    expect(thrownBy(() => addon().mountTmpfs(path, { size: 4096, mode: 0o755 })).code).toBe('ELOOP');
    expect(thrownBy(() => addon().mountTmpfs(`${path}/x`, { size: 4096, mode: 0o755 })).code).toBe('ELOOP');
  });
});

describe('processes', () => {
  it('signals and notices the end of a process behind a pidfd', async () => {
    const child = spawn('/bin/sleep', ['60']);
    const exited = once(child, 'exit');
    const pidfd = keep(addon().pidfdOpen(child.pid!));
    const ended = new Promise<void>((resolve) => {
      const poll = addon().poll(pidfd, () => {
        poll.close();
        poll.close();
        resolve();
      });
    });
    expect(addon().pidfdSendSignal(pidfd, 15)).toBe(true);
    await Promise.all([ended, exited]);
    expect(addon().pidfdSendSignal(pidfd, 15)).toBe(false);
  });
});

describe('pty', () => {
  it('opens a pair with a window size', () => {
    const { master, slave } = addon().openPty(33, 101);
    keep(master);
    keep(slave);
    addon().setWindowSize(master, 34, 102);
    const size = spawn('/bin/stty', ['size'], { stdio: [slave, slave, 'inherit'] });
    return once(size, 'exit').then(() => {
      const buffer = Buffer.alloc(100);
      expect(buffer.toString('utf8', 0, readSync(master, buffer)).trim()).toBe('34 102');
    });
  });
});

describe('makeNetns', () => {
  it('pins a new namespace on a file and makes sockets in it', () => {
    const path = join(scratch, 'netns');
    writeFileSync(path, '');
    const netns = keep(addon().makeNetns(path));
    expect(statSync(path).ino).toBe(statSync(`/proc/self/fd/${netns}`).ino);
    expect(statSync(path).ino).not.toBe(statSync('/proc/self/ns/net').ino);
    const socket = keep(addon().socketInNetns(netns, 2, 1, 0));
    expect(statSync(`/proc/self/fd/${socket}`).isSocket()).toBe(true);
    expect(addon().unmount(path)).toBe(1);
  });
});
