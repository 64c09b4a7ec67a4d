import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let running: Running;
let address: string;

beforeAll(async () => {
  scratch = makeScratch();
  const directory = scratch.appDirectory('shop', {
    'main.sh': '#!/bin/sh\necho up\nexec sleep 1000\n',
    // What the app calls tcpdump is never run.
    tcpdump: '#!/bin/sh\necho not this one\n',
  });
  const app = `[app]\ndirectory = ${directory}\n[env]\nPATH = ${directory}:/usr/bin:/bin\n[daemon.main]\ncommand = ./main.sh\n`;
  scratch.node('shop', app);
  scratch.node('idle', app);
  running = startMetactl(['run', 'shop'], { root: scratch.root });
  await running.waitFor(/up/);
  address = (await runMetactl(['ip', 'shop'], { root: scratch.root })).stdout.trim();
});
afterAll(async () => {
  await running.stop('SIGTERM');
  scratch.remove();
});

const tcpdump = (...args: string[]) => runMetactl(['tcpdump', ...args], { root: scratch.root });

/** Sends a datagram to the app again and again until the work is done: a capture says when it listens only on stderr. */
async function whileSending<T>(work: Promise<T>): Promise<T> {
  let done = false;
  void work.finally(() => {
    done = true;
  });
  const script = `require('node:dgram').createSocket('udp4').send('x', 9, '${address}', () => process.exit())`;
  while (!done) {
    execFileSync(process.execPath, ['-e', script]);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return work;
}

describe('metactl tcpdump', () => {
  it('shows packets on the app’s own link', async () => {
    const { stdout, stderr, status } = await whileSending(tcpdump('shop', '-n', '-c', '1', 'udp', 'port', '9'));
    expect(stderr).toContain('listening on veth0');
    expect(stdout).toMatch(new RegExp(`> ${address.replaceAll('.', '\\.')}\\.9: UDP, length 1`));
    expect(status).toBe(0);
  });

  it('leaves -i, other options and the status to tcpdump', async () => {
    const lo = startMetactl(['tcpdump', 'shop', '-n', '-i', 'lo'], { root: scratch.root });
    await lo.waitFor(/listening on lo/).catch(async (error: unknown) => {
      await lo.stop('SIGKILL');
      throw error;
    });
    // tcpdump ends well when it is interrupted: the signal came to it itself.
    expect(await lo.stop('SIGINT')).toMatchObject({ status: 0, stderr: expect.stringContaining('0 packets captured') });
    expect(await tcpdump('shop', '--version')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('tcpdump version'),
      stderr: '',
    });
    expect(await tcpdump('shop', '-n', 'no', 'such', 'filter')).toMatchObject({ status: 1 });
  });

  it('takes options of metactl’s own names as tcpdump’s once the app is named', async () => {
    expect(await tcpdump('shop', '--json')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('unrecognized option'),
    });
  });

  it('is the host’s program in the host’s files', async () => {
    const pid = startMetactl(['tcpdump', 'shop', '-n'], { root: scratch.root });
    const link = (name: string, of: number | string) =>
      execFileSync('readlink', [`/proc/${of}/${name}`], { encoding: 'utf8' }).trim();
    try {
      await pid.waitFor(/listening on veth0/);
      const child = pid.child.pid!;
      expect(link('exe', child)).toMatch(/^\/usr\/s?bin\/tcpdump$/);
      for (const same of ['ns/mnt', 'ns/pid', 'ns/user', 'ns/uts', 'ns/ipc', 'ns/cgroup']) {
        expect(link(same, child)).toBe(link(same, process.pid));
      }
      expect(link('ns/net', child)).not.toBe(link('ns/net', process.pid));
    } finally {
      await pid.stop('SIGINT');
    }
  });

  it('looks at what runs, whatever its configuration says by now', async () => {
    const written = readFileSync(`${scratch.root}/etc/metactl/nodes/shop.conf`, 'utf8');
    scratch.node('shop', 'nonsense\n');
    try {
      expect(await tcpdump('shop', '--version')).toMatchObject({ status: 0 });
    } finally {
      scratch.node('shop', written);
    }
  });

  it('says what is missing by its status', async () => {
    expect(await tcpdump('idle')).toMatchObject({
      status: 3,
      stderr: 'metactl: idle is not running\n  hint: start it with `metactl run idle`\n',
    });
    expect(await tcpdump('nobody')).toMatchObject({ status: 4 });
    expect(await tcpdump()).toMatchObject({ status: 2 });
  });
});
