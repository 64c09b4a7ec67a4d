import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Keys, onOwnTerminal } from '../../helpers/own-terminal.ts';
import { BIN } from '../../helpers/run-metactl.ts';
import { useRunningShop } from '../../helpers/running-shop.ts';

leakCheck();

const shop = useRunningShop();

const metactl = (args: readonly string[], keys: readonly Keys[] = []) =>
  onOwnTerminal([process.execPath, BIN, ...args], {
    env: { PATH: process.env.PATH ?? '', METACTL_ROOT: shop.root, TERM: 'dumb' },
    keys,
  });

/** More than the kernel holds of it on its way, so that the last of it is written after the first is read. */
const SIZE = 65_536;

describe('on a busy machine', () => {
  const busy: ReturnType<typeof spawn>[] = [];
  beforeAll(() => {
    for (let count = 0; count < 4; count++) {
      busy.push(spawn('timeout', ['60', '/bin/sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }));
    }
  });
  afterAll(async () => {
    for (const child of busy) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.kill('SIGTERM')) await ended;
    }
  });

  it.each([[[]], [['--fresh']]])('shows all that a command wrote last (%j)', { timeout: 60_000 }, async (options) => {
    const command = ['exec', 'shop', ...options, '--', 'head', '-c', `${SIZE}`, '/dev/zero'];
    const sizes: number[] = [];
    const starter = async () => {
      while (sizes.length < 20) {
        const place = sizes.push(-1) - 1;
        const { shown, status } = await metactl(command);
        expect(status).toBe(0);
        sizes[place] = shown.length;
      }
    };
    await Promise.all([starter(), starter(), starter()]);
    expect(sizes).toEqual(sizes.map(() => SIZE));
  });
});

describe('a terminal', () => {
  it('stops, continues and interrupts jobs', async () => {
    // It tells when it is the one that the terminal's signals go to.
    const job = `sh -c 'trap "echo goes on" CONT; echo runs; while :; do sleep 0.05; done'`;
    const { shown, status } = await metactl(
      ['shell', 'shop'],
      [
        { after: /\$ $/, text: `${job}\n` },
        { after: /\nruns\r\n/, text: '\x1a' },
        { after: /Stopped[^\n]*\n[^\n]*\$ $/, text: 'fg\n' },
        { after: /\ngoes on\r\n/, text: '\x03' },
        { after: /\$ $/, text: 'echo was $?; exit 7\n' },
      ],
    );
    expect(shown).toMatch(/\[1\]\+\s+Stopped\s+sh -c/);
    expect(shown).toContain('was 130\r\n');
    expect(status).toBe(7);
  });

  it('outlives a command that lets go of it for a while', async () => {
    const script = 'exec </dev/null >/dev/null 2>&1; sleep 0.3; echo back >/dev/tty';
    expect(await metactl(['exec', 'shop', '--', 'sh', '-c', script])).toMatchObject({ shown: 'back\r\n', status: 0 });
  });

  it('shows output while nobody takes the keys', async () => {
    const script = `stty raw -echo; echo go; sleep 0.3; head -c ${SIZE} /dev/zero; head -c 200000 | wc -c`;
    const { shown, status } = await metactl(
      ['exec', 'shop', '--', 'sh', '-c', script],
      [{ after: /go/, text: 'k'.repeat(200_000) }],
    );
    expect(shown.replaceAll('\0', '')).toBe('go\n200000\n');
    expect(shown).toHaveLength(SIZE + 10);
    expect(status).toBe(0);
  });

  it('ends with its command, complete, where a process in the background goes on writing to it', async () => {
    const script = 'trap "" HUP; while :; do echo noise; done & echo $!; exit 5';
    const { shown, status } = await metactl(['exec', 'shop', '--', 'sh', '-c', script]);
    expect(status).toBe(5);
    const pid = /^(\d+)\r$/m.exec(shown)?.[1];
    expect(pid).toBeDefined();
    await metactl(['exec', 'shop', '--', 'sh', '-c', `kill -9 ${pid}`]);
  });
});
