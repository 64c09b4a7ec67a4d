import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { openDescriptors, useWatchedDaemons } from '../../helpers/watched-daemon.ts';

let scratch: Scratch;
const { started, daemon } = useWatchedDaemons((made) => {
  scratch = made;
});

describe('a daemon that speaks sd_notify', () => {
  it('is ready when it says so', async () => {
    const one = await daemon('sleep 0.2 say READY=1 sleep 60');
    await one.first('ready');
    expect(one.reports).toEqual([{ type: 'ready' }]);
    expect(one.lines).toEqual([]);
  });

  it('is ready when systemd-notify says so for it', async () => {
    const one = await daemon('sleep 60');
    const { plans } = one.prepared;
    await one.sandbox.started;
    const running = (await one.prepared.host.findRunning(one.prepared.paths, 'shop', 'main'))!;
    const argv = ['/usr/bin/systemd-notify', '--ready', '--status=by a friend'];
    const friend = running.join({ ...plans[0]!.process, argv }, plans[0]!.identity, {
      stdin: 'null',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    expect((await friend.ended).code).toBe(0);
    running.close();
    await one.first('ready');
    expect(one.reports).toContainEqual({ type: 'status-text', text: 'by a friend' });
  });

  it('tells of reloads, status, errors and its end', async () => {
    const one = await daemon(
      String.raw`say READY=1 say RELOADING=1\nMONOTONIC_USEC=1 say "STATUS=reads\tall" say READY=1 say ERRNO=2 ` +
        String.raw`say "STATUS=broke\nERRNO=13\nX_OWN=1" say EXTEND_TIMEOUT_USEC=1500000 say STOPPING=1 sleep 60`,
    );
    await one.first('stopping');
    expect(one.reports).toEqual([
      { type: 'ready' },
      { type: 'reloading' },
      { type: 'status-text', text: 'reads\\tall' },
      { type: 'ready' },
      { type: 'status-text', text: 'ENOENT' },
      { type: 'status-text', text: 'broke (EACCES)' },
      { type: 'extend', milliseconds: 1500 },
      { type: 'stopping' },
    ]);
  });

  it('can hide nothing in its status', async () => {
    const one = await daemon('bytes 5354415455533d1b5b324ae280ae0d78 sleep 60');
    expect(await one.first('status-text')).toEqual({ type: 'status-text', text: '\\x1b[2J\\u202e\\rx' });
  });

  it('has the translated pid of its main process told', async () => {
    const one = await daemon('say MAINPID=2 say MAINPID=999 sleep 60');
    await one.until(() => one.lines.length === 2);
    const processes = one.prepared.host.listProcesses(one.prepared.paths, 'shop', 'main');
    const { pid } = processes.find(({ insidePid }) => insidePid === 2)!;
    expect(one.lines).toEqual([
      `its main process is ${pid} (2 inside)`,
      'it names a main process that it does not have (MAINPID=999)',
    ]);
  });

  it('is not ready in time', async () => {
    const one = await daemon('sleep 60', 'ready = notify\nready.timeout = 300ms');
    const report = await one.first('failed');
    expect(report).toMatchObject({ reason: expect.stringMatching(/^not ready within \d{3}ms$/) });
  });

  it('gets more time if it asks for it', async () => {
    const words = 'say EXTEND_TIMEOUT_USEC=3000000 sleep 1 say READY=1 sleep 60';
    const one = await daemon(words, 'ready = notify\nready.timeout = 600ms');
    await one.first('ready');
    expect(one.reports).toEqual([{ type: 'extend', milliseconds: 3000 }, { type: 'ready' }]);
  });

  it('waits at a barrier until all before it was heard', async () => {
    const one = await daemon('say READY=1 barrier sleep 60');
    await one.until(() => one.output().includes('barrier 0'));
    expect(one.reports).toEqual([{ type: 'ready' }]);
  });

  it('has a socket that it can neither replace nor remove', async () => {
    const one = await daemon('say STATUS=a sleep 60');
    await one.first('status-text');
    const host = `${scratch.root}/run/metactl/shop/main.notify`;
    expect(statSync(host).isSocket()).toBe(true);
    const run = (...argv: string[]) => runMetactl(['exec', 'shop', '--', ...argv], { root: scratch.root });
    expect((await run('/bin/rm', '/run/notify')).stderr).toMatch(/Read-only|busy|Permission/);
    expect((await run('/bin/ls', '/run')).stdout).toContain('notify');
    await one.stop();
    const again = await one.again();
    started.push(again);
    await again.first('status-text');
  });

  it('leaves nothing when all is over', async () => {
    const one = await daemon('say READY=1 sleep 60');
    await one.first('ready');
    await one.stop();
    await one.handle.close();
    started.length = 0;
    expect(existsSync(`${scratch.root}/run/metactl/shop`)).toBe(false);
  });

  it('speaks also without a sandbox', async () => {
    const one = await daemon('say READY=1 sleep 60', 'ready = notify', '[sandbox]\nenabled = no\nallow-root = yes\n');
    await one.first('ready');
    expect(one.lines).toEqual([]);
    await one.stop();
    await one.handle.close();
    started.length = 0;
    expect(existsSync(`${scratch.root}/run/metactl-notify`)).toBe(false);
  });

  it('has a socket that only its user can fill, where it has no sandbox', async () => {
    const sections = '[sandbox]\nenabled = no\n';
    const one = await daemon('say READY=1 sleep 60', 'ready = notify\nuser = nobody', sections);
    await one.first('ready');
    const { mode, uid } = statSync(`${scratch.root}/run/metactl-notify/shop.main`);
    expect([mode & 0o777, uid]).toEqual([0o600, one.prepared.plans[0]!.identity.uid]);
    expect(uid).not.toBe(0);
  });

  /** As `nobody`. @returns what an attempt to reach the socket of the daemon leads to. */
  function strangerReaches(): string {
    const script = `import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect(sys.argv[1]); print("reached")
except OSError as error: print(os.strerror(error.errno))`;
    const path = `${scratch.root}/run/metactl-notify/shop.main`;
    return execFileSync('/usr/bin/python3', ['-c', script, path], { encoding: 'utf8' }).trim();
  }

  it('has a socket that no other user can fill, where it is root without a sandbox', async () => {
    const one = await daemon(
      'say READY=1 sleep 60',
      'ready = notify\nuser = root',
      '[sandbox]\nenabled = no\nallow-root = yes\n',
    );
    await one.first('ready');
    const { mode, uid, gid } = statSync(`${scratch.root}/run/metactl-notify/shop.main`);
    expect([mode & 0o777, uid, gid]).toEqual([0o600, 0, 0]);
    expect(strangerReaches()).toBe('Permission denied');
  });

  it('may have become another user by itself, of the group that it was given', async () => {
    const keys = 'ready = notify\nuser = root\ngroup = nogroup';
    const one = await daemon(
      'become 65534 65534 say READY=1 sleep 60',
      keys,
      '[sandbox]\nenabled = no\nallow-root = yes\ncapabilities = SETUID SETGID\n',
    );
    await one.first('ready');
    const { mode, uid, gid } = statSync(`${scratch.root}/run/metactl-notify/shop.main`);
    expect([mode & 0o777, uid, gid]).toEqual([0o660, 0, 65534]);
  });

  it('speaks also from a user namespace', async () => {
    const one = await daemon(
      'say READY=1 sleep 60',
      'ready = notify',
      '[sandbox]\nuser-namespace = yes\n[sandbox.net]\nmode = none\n',
    );
    await one.first('ready');
    expect(one.lines).toEqual([]);
  });
});

describe('what is no message of the daemon', () => {
  it('comes from another process', async () => {
    const one = await daemon('sleep 60');
    await one.sandbox.started;
    const script =
      'import socket,os,sys,time\ns=socket.socket(1,2)\ns.sendto(b"READY=1",sys.argv[1])\nprint(os.getpid(),flush=True)\ntime.sleep(0.3)';
    const pid = execFileSync('/usr/bin/python3', ['-c', script, `${scratch.root}/run/metactl/shop/main.notify`], {
      encoding: 'utf8',
    }).trim();
    await one.until(() => one.lines.length > 0);
    // It has ended, or is looked at while it lives: foreign in both cases.
    expect(one.lines).toEqual([`process ${pid} is none of its: what it says by sd_notify is ignored`]);
    expect(one.reports).toEqual([]);
  });

  it('comes from its children too, and counts', async () => {
    const one = await daemon('as-child READY=1 sleep 60');
    await one.first('ready');
  });

  it('was sent before a restart, and is not heard after it', async () => {
    const one = await daemon('say READY=1 exit 0');
    await one.sandbox.ended;
    const again = await one.again();
    started.push(again);
    await again.first('ready');
    expect(again.reports).toEqual([{ type: 'ready' }]);
  });

  it('is malformed, torn or too long', async () => {
    const long = Buffer.from(`READY=1\n${'x'.repeat(5000)}`).toString('hex');
    const one = await daemon(
      `bytes ff0a READY bytes 00 bytes 524541445900 bytes ${long} say X=1 sleep 60`.replace(' READY', ''),
    );
    await one.until(() => one.lines.length >= 2);
    expect(one.lines).toEqual([
      'a message by sd_notify is malformed: it is ignored',
      'a message by sd_notify is oversized: it is ignored',
    ]);
    expect(one.reports).toEqual([]);
  });

  it('brings 250 descriptors, again and again, and none stays open', async () => {
    const before = openDescriptors();
    const one = await daemon(
      String.raw`fds 250 FDSTORE=1\nFDNAME=all fds 253 X=1 fds 250 X=1 fds 1 BARRIER=1 fds 2 BARRIER=1 say READY=1 sleep 60`,
    );
    const running = openDescriptors();
    await one.first('ready');
    expect(openDescriptors()).toBeLessThanOrEqual(running);
    expect(one.lines).toEqual([
      'it leaves more descriptors (FDSTORE) than `file-descriptor-store-max = 0` allows, or names of more than 64 KiB: they are closed',
    ]);
    await one.stop();
    await one.handle.close();
    started.length = 0;
    // What the first launch of a process opens for all that follow is less than one message brings.
    expect(openDescriptors() - before).toBeLessThan(30);
  });

  it('comes as a flood, which neither fills memory nor takes all of the processor', async () => {
    const one = await daemon('flood 5000 say READY=1 sleep 60');
    const start = process.cpuUsage();
    const from = performance.now();
    await one.first('ready');
    const { user, system } = process.cpuUsage(start);
    expect(one.reports).toHaveLength(5001);
    // A thousand a second.
    expect(performance.now() - from).toBeGreaterThan(3000);
    expect((user + system) / 1000).toBeLessThan(0.5 * (performance.now() - from));
  }, 20_000);
});

describe('the native receiver', () => {
  it('says what it can not do', () => {
    expect(() => addon().notifySocket('/nowhere', 'x', 0o600, 0, 0)).toThrow(
      expect.objectContaining({ code: 'ENOENT', step: 'open path', path: '/nowhere' }),
    );
    expect(() => addon().notifySocket(scratch.root, 'a/b', 0o600, 0, 0)).toThrow(
      'native part: name must not hold a slash',
    );
    const file = openSync('/dev/null', 'r');
    expect(() => addon().receiveNotification(file)).toThrow(
      expect.objectContaining({ code: 'ENOTSOCK', step: 'receive notification', syscall: 'recvmsg' }),
    );
    closeSync(file);
  });
});
