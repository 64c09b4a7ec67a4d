import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logs as logHost } from '../../../src/host/linux/logs.ts';
import { type Journal, startJournal } from '../../helpers/journal.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let journal: Journal;
const running: Running[] = [];

beforeEach(async () => {
  scratch = makeScratch();
  journal = await startJournal();
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL');
  await journal.close();
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
});

/** A daemon written in shell. */
function shellApp(text: string, keys: string): void {
  const directory = scratch.appDirectory('shop', { 'main.sh': `#!/bin/sh\n${text}\n` });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./main.sh\nrestart = no\n${keys}\n`,
  );
}

const here = () => ({ root: scratch.root });

/** What is in the journal, as journalctl shows it once it is there. */
async function entries(count: number, ...matches: string[]): Promise<Record<string, unknown>[]> {
  for (let round = 0; ; round++) {
    const text = await journal.program('journalctl', '--output=json', '--all', '--quiet', ...matches);
    const found = text.split('\n').filter((line) => line !== '');
    if (found.length >= count || round > 100) return found.map((line) => JSON.parse(line) as Record<string, unknown>);
    await sleep(100);
  }
}

describe('journald', () => {
  it('gets lines with fields, and `logs` reads them back', async () => {
    shellApp(
      String.raw`echo out; echo err >&2; printf '\033[2Jx\377\nMESSAGE=forged\n'; printf end`,
      'log.to = journal',
    );
    expect(await journal.run(['run', 'shop'], here())).toMatchObject({ status: 0, stderr: 'err\n' });
    const found = await entries(5, 'METACTL_APP=shop', 'METACTL_DAEMON=main');
    expect(found).toHaveLength(5);
    expect(found.find(({ MESSAGE }) => MESSAGE === 'err')).toMatchObject({
      PRIORITY: '6',
      SYSLOG_IDENTIFIER: 'shop/main',
      METACTL_STREAM: 'err',
      _TRANSPORT: 'journal',
      _UID: '0',
    });
    expect(found.map(({ MESSAGE }) => MESSAGE)).toEqual(expect.arrayContaining(['out', 'MESSAGE=forged', 'end']));
    expect(found.find(({ MESSAGE }) => MESSAGE === 'end')).toMatchObject({ METACTL_UNENDED: '1' });
    const shown = (await journal.run(['logs', 'shop'], here())).stdout.split('\n').filter(Boolean);
    expect(shown.map((line) => line.slice(25)).sort()).toEqual([
      'err: err',
      'out: MESSAGE=forged',
      String.raw`out: \x1b[2Jx\xff`,
      'out: out',
      'out~ end',
    ]);
    expect((await journal.run(['logs', 'shop', '-n', '1', '--raw'], here())).stdout).toBe('end');
    expect((await journal.run(['logs', 'shop', '--since', '@4000000000'], here())).stdout).toBe('');
  });

  it('takes lines of any length: what is too large for a datagram goes by memfd', async () => {
    shellApp("head -c 40000 /dev/zero | tr '\\0' y; echo", 'log.to = journal');
    await journal.run(['run', 'shop'], here());
    expect((await journal.run(['logs', 'shop', '--raw'], here())).stdout).toBe(`${'y'.repeat(40_000)}\n`);
    // A line longer than any of metactl's, by a socket whose buffer is too small for it.
    const length = 600_000;
    const text = await journal.program(process.execPath, '--input-type=module', '-e', SEND_LARGE, String(length));
    expect(JSON.parse(text)).toEqual({ done: length + 2, errno: 0 });
    const [entry] = await entries(1, 'METACTL_APP=large');
    expect(entry?.MESSAGE).toBe('z'.repeat(length));
  });

  it('slows the daemon while it is busy, and loses nothing', async () => {
    // systemd-journald drops what is over 10,000 lines in 30 s from one service; this is less.
    shellApp('seq -f %0200.0f 1 9000; echo done >&2', 'log.to = journal');
    journal.pause();
    const one = journal.start(['run', 'shop'], here());
    running.push(one);
    await sleep(1500);
    expect(one.output.stderr).toBe('');
    journal.resume();
    expect(await one.ended).toMatchObject({ status: 0, stderr: 'done\n' });
    const found = await entries(9001, 'METACTL_APP=shop');
    expect(new Set(found.map(({ MESSAGE }) => MESSAGE)).size).toBe(9001);
  });

  it('does not hold the end of `run` while it hangs', async () => {
    shellApp('seq 1 2000', 'log.to = journal');
    journal.pause();
    const one = journal.start(['run', 'shop'], here());
    running.push(one);
    const before = performance.now();
    await one.waitFor(/\n2000\n/);
    const { status, stderr } = await one.ended;
    expect([status, stderr]).toEqual([0, expect.stringMatching(/can't write to .*: ECANCELED; its lines are lost/)]);
    expect(performance.now() - before).toBeLessThan(15_000);
  });

  it('costs counted lines while it is away, which the journal says later', async () => {
    shellApp('echo early; sleep 1; echo lost; echo lost; echo gone >&2; sleep 4; echo late', 'log.to = journal');
    const one = journal.start(['run', 'shop'], here());
    running.push(one);
    await one.waitFor(/early/);
    await entries(1, 'METACTL_APP=shop');
    await journal.kill();
    await one.waitFor(/shop\/main: can't write to \/run\/systemd\/journal\/socket: (?:ECONNREFUSED|ENOENT)/);
    await one.waitFor(/gone/);
    await journal.restart();
    const { stderr } = await one.ended;
    expect(stderr).toMatch(
      /\/run\/systemd\/journal\/socket is written again: [23] lines lost: (?:ECONNREFUSED|ENOENT)/,
    );
    const messages = (await entries(2, 'METACTL_APP=shop')).map(({ MESSAGE }) => MESSAGE);
    expect(messages).toContain('late');
    expect(messages.some((text) => /^[23] lines lost: E/.test(String(text)))).toBe(true);
  });

  it('is followed', async () => {
    shellApp('echo first; sleep 2; echo second; exec sleep 60', 'log.to = journal');
    const one = journal.start(['run', 'shop'], here());
    running.push(one);
    await one.waitFor(/first/);
    await entries(1, 'METACTL_APP=shop');
    const follower = journal.start(['logs', 'shop', '-f', '--raw'], here());
    running.push(follower);
    await follower.waitFor(/first\nsecond\n/);
    await follower.stop();
    await one.stop();
  });

  it('is read for its last lines of several daemons, and followed from there', async () => {
    shellApp('echo 1; sleep 0.1; echo 2; sleep 3; echo 3; exec sleep 60', 'log.to = journal');
    const one = journal.start(['run', 'shop'], here());
    running.push(one);
    await one.waitFor(/2/);
    await entries(2, 'METACTL_APP=shop');
    expect((await journal.run(['logs', 'shop', '--raw', '-n', '1'], here())).stdout).toBe('2\n');
    expect((await journal.run(['logs', 'shop', '--raw', '-n', '1', '--since', '1h'], here())).stdout).toBe('2\n');
    const none = journal.start(['logs', 'shop', '-f', '--raw', '-n', '0'], here());
    const last = journal.start(['logs', 'shop', '-f', '--raw', '-n', '1'], here());
    running.push(none, last);
    await last.waitFor(/2\n3\n/);
    await none.waitFor(/3\n/);
    expect([none.output.stdout, last.output.stdout]).toEqual(['3\n', '2\n3\n']);
    for (const follower of [none, last]) await follower.stop();
    await one.stop();
  });

  it('tells when journalctl is ended beneath it', async () => {
    shellApp('echo first; exec sleep 60', 'log.to = journal');
    const one = journal.start(['run', 'shop'], here());
    running.push(one);
    await one.waitFor(/first/);
    await entries(1, 'METACTL_APP=shop');
    for (const signal of ['TERM', 'KILL']) {
      const follower = journal.start(['logs', 'shop', '-f', '--raw'], here());
      running.push(follower);
      await follower.waitFor(/first\n/);
      const pid = await followingChild(follower.child.pid!);
      process.kill(pid, `SIG${signal}`);
      const { status, stderr } = await follower.ended;
      expect(status).toBe(1);
      expect(stderr).toMatch(
        new RegExp(`^metactl: journalctl failed: (?:SIG${signal} ended it|it ended with status \\d+)\n`),
      );
    }
    await one.stop();
  });
});

describe('journald that has a limit', () => {
  let unit: string[];
  beforeEach(async () => {
    await journal.close();
    journal = await startJournal('RateLimitIntervalSec=1s\nRateLimitBurst=10');
    // Journald knows a unit by the name of the cgroup.
    unit = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup']
      .filter((tree) => existsSync(join(tree, 'cgroup.procs')))
      .map((tree) => join(tree, `metactl-test-${process.pid}.scope`));
    for (const directory of unit) mkdirSync(directory);
  });
  afterEach(() => {
    for (const directory of unit) rmdirSync(directory);
  });

  /** Sends numbered lines as a supervisor in that unit does. */
  const send = async (from: number, to: number) => {
    const [file, ...via] = inUnit();
    const args = ['--input-type=module', '-e', SEND_NUMBERS, String(from), String(to)];
    await journal.program(file!, ...via, process.execPath, ...args);
  };

  const inUnit = () => [
    ...['sh', '-c', 'for one; do shift; [ "$one" = -- ] && break; echo $$ >"$one/cgroup.procs"; done; exec "$@"', 'sh'],
    ...[...unit, '--'],
  ];

  it('has `logs` tell what it dropped', async () => {
    shellApp('exec true', 'log.to = journal');
    await send(0, 2000);
    await entries(1, 'METACTL_APP=shop');
    await sleep(1500);
    const follower = journal.start(['logs', 'shop', '-f', '-n', '1'], here());
    running.push(follower);
    await follower.waitFor(/out: \d+\n/);
    await send(2000, 2001);
    await follower.waitFor(/out: 2000\n/);
    await follower.stop();
    const told = new RegExp(
      `metactl: lines are missing: journald dropped (\\d+) messages of metactl-test-${process.pid}\\.scope, over its rate limit\n.*out: 2000\n`,
    );
    const dropped = Number(told.exec(follower.output.stdout)?.[1]);
    expect(dropped).toBeGreaterThan(0);
    const { stdout } = await journal.run(['logs', 'shop'], here());
    expect(Number(told.exec(stdout)?.[1])).toBe(dropped);
    expect(stdout.match(/ out: \d+\n/g)).toHaveLength(2001 - dropped);
    expect((await journal.run(['logs', 'shop', '-n', '2'], here())).stdout).toMatch(told);
    const raw = await journal.run(['logs', 'shop', '--raw', '-n', '2'], here());
    expect([raw.stdout, raw.stderr]).toEqual([
      '2000\n',
      expect.stringMatching(/^metactl: shop\/main: lines are missing: journald dropped /),
    ]);
  });

  it('is told of by doctor where a supervisor is in such a unit', async () => {
    shellApp('echo up; exec sleep 60', 'log.to = journal');
    const told = async () => {
      const { findings } = JSON.parse((await journal.run(['doctor', '--json'], here())).stdout);
      return (findings as { name: string; meaning: string }[]).filter(({ name }) => name === 'journal shop');
    };
    expect(await told()).toEqual([]);
    const one = journal.start(['run', 'shop'], { ...here(), via: inUnit() });
    running.push(one);
    await one.waitFor(/up/);
    expect(await told()).toMatchObject([
      {
        state: 'warning',
        meaning: expect.stringContaining(`from metactl-test-${process.pid}.scope, and journald drops`),
      },
    ]);
    await one.stop();
  });
});

/** The journalctl that follows, below a process. */
async function followingChild(parent: number): Promise<number> {
  for (let round = 0; round < 100; round++) {
    for (const pid of descendants(parent)) {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      if (command.startsWith('journalctl\0') && command.includes('--follow')) return pid;
    }
    await sleep(100);
  }
  throw new Error('no journalctl follows');
}

function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

describe('syslog', () => {
  it('gets lines that a syslog daemon understands, and `logs` finds them where that is journald', async () => {
    shellApp('echo out; echo err >&2', 'log.to = syslog');
    expect(await journal.run(['run', 'shop'], here())).toMatchObject({ status: 0, stderr: 'err\n' });
    const found = await entries(2, 'SYSLOG_IDENTIFIER=shop/main');
    expect(found.map(({ MESSAGE }) => MESSAGE).sort()).toEqual(['err', 'out']);
    expect(found[0]).toMatchObject({ _TRANSPORT: 'syslog', PRIORITY: '6', SYSLOG_FACILITY: '3' });
    expect(Number(found[0]?.SYSLOG_PID)).toBeGreaterThan(1);
    const shown = await journal.run(['logs', 'shop'], here());
    expect(
      shown.stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => line.slice(25))
        .sort(),
    ).toEqual(['out: err', 'out: out']);
  });
});

it('a socket where nobody listens is an error', () => {
  expect(() => logHost.socket(`${scratch.root}/nothing`)).toThrow(
    expect.objectContaining({ code: 'ENOENT', syscall: 'connect' }),
  );
  expect(() => logHost.socket(`/${'x'.repeat(120)}`)).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
});

const ADDON = new URL('../../../build/Release/metactl.node', import.meta.url).pathname;

const SEND_NUMBERS = `
import { createRequire } from 'node:module';
const addon = createRequire(import.meta.url)(${JSON.stringify(ADDON)});
addon.initialize(Error);
const fd = addon.connectDatagram('/run/systemd/journal/socket');
const head = Buffer.from('METACTL_APP=shop\\nMETACTL_DAEMON=main\\nMETACTL_STREAM=out\\nMESSAGE=');
const [from, to] = process.argv.slice(1).map(Number);
const lines = Buffer.from(Array.from({ length: to - from }, (_, i) => ':' + (from + i) + '\\n').join(''));
const envelope = { head, continued: head, unended: head, tail: Buffer.from('\\n'), memfd: true };
// Journald looks up what has sent a line while it is there.
addon.sendLines(fd, envelope, lines, () => setTimeout(() => {}, 500));
`;

const SEND_LARGE = `
import { createRequire } from 'node:module';
const addon = createRequire(import.meta.url)(${JSON.stringify(ADDON)});
addon.initialize(Error);
const fd = addon.connectDatagram('/run/systemd/journal/socket');
const head = Buffer.from('METACTL_APP=large\\nMESSAGE=');
const lines = Buffer.from(':' + 'z'.repeat(Number(process.argv[1])) + '\\n');
addon.sendLines(fd, { head, continued: head, unended: head, tail: Buffer.from('\\n'), memfd: true }, lines, (done, errno) => {
  console.log(JSON.stringify({ done, errno }));
});
`;
