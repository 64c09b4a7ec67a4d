import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { onTerminal } from '../../helpers/on-terminal.ts';
import { type Outcome, REPOSITORY, type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let logDirectory: string;
let mounted: string[];
const running: Running[] = [];

beforeEach(() => {
  scratch = makeScratch();
  logDirectory = join(scratch.root, 'var/log/metactl/shop');
  mounted = [];
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL');
  await runMetactl(['gc'], { root: scratch.root });
  for (const path of mounted) execFileSync('umount', [path]);
  scratch.remove();
});

/** An app of daemons written in shell, whose logs go to files unless `keys` says otherwise. */
function shellApp(daemons: Readonly<Record<string, string>>, keys = 'log.to = file'): void {
  const files = Object.fromEntries(
    Object.entries(daemons).map(([name, text]) => [`${name}.sh`, `#!/bin/sh\n${text}\n`]),
  );
  const directory = scratch.appDirectory('shop', files);
  const sections = Object.keys(daemons).map(
    (name) => `[daemon.${name}]\ncommand = ./${name}.sh\nrestart = no\n${keys}\n`,
  );
  scratch.node('shop', `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n${sections.join('')}`);
}

function run(...args: string[]): Promise<Outcome> {
  return runMetactl(['run', 'shop', ...args], { root: scratch.root });
}

function logs(...args: string[]): Promise<Outcome> {
  return runMetactl(['logs', 'shop', ...args], { root: scratch.root });
}

/** Without the time and pid of each line. */
function bare(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:\d+ )?/, ''));
}

function fileText(name = 'main.log'): string {
  return readFileSync(join(logDirectory, name), 'latin1');
}

function rotated(): string[] {
  return readdirSync(logDirectory).filter((name) => name !== 'main.log');
}

describe('log files', () => {
  it('have time, pid and stream of each line; output is passed through beside', async () => {
    shellApp({ main: 'echo out; echo err >&2; printf end' });
    expect(await run()).toMatchObject({ status: 0, stdout: 'out\nend', stderr: 'err\n' });
    const text = fileText();
    expect(bare(text).sort()).toEqual(['err: err', 'out: out', 'out~ end']);
    expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [1-9]\d* (?:out|err): /);
    const adm = Number(/^adm:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))![1]);
    for (const [path, mode] of [
      [join(logDirectory, '..'), 0o40750],
      [logDirectory, 0o40750],
      [join(logDirectory, 'main.log'), 0o100640],
    ] as const) {
      const { mode: found, uid, gid } = statSync(path);
      expect([path, found.toString(8), uid, gid]).toEqual([path, mode.toString(8), 0, adm]);
    }
    await run();
    expect(bare(fileText())).toHaveLength(6);
  });

  it('are not written by `run` unless somebody asked for it', async () => {
    shellApp({ main: 'echo out' }, '');
    expect(await run()).toMatchObject({ status: 0, stdout: 'out\n' });
    expect(() => statSync(logDirectory)).toThrow('ENOENT');
    const { status, stdout, stderr } = await logs();
    expect([status, stdout]).toEqual([0, '']);
    expect(stderr).toBe(
      'metactl: shop has no log: daemons in the background write one; `run` does where [daemon.NAME] log.to is set\n',
    );
  });

  it('keep every byte, split long lines, and are shown harmlessly', async () => {
    shellApp({
      main: String.raw`printf '\033[2Jhi\377\342\200\256\n'; head -c 100000 /dev/zero | tr '\0' x; echo`,
    });
    await run();
    const text = fileText();
    expect(text).toContain('out: \x1b[2Jhi\xff\xe2\x80\xae\n');
    const long = bare(text).slice(1);
    expect(long.map((line) => line.slice(0, 4))).toEqual(expect.arrayContaining(['out+', 'out:']));
    expect(long.map((line) => line.slice(5)).join('')).toBe('x'.repeat(100_000));
    expect(Math.max(...long.map(({ length }) => length))).toBeLessThanOrEqual(2 * 49_152);
    const shown = await logs('-n', '100');
    expect(shown.stdout).toContain(String.raw`out: \x1b[2Jhi\xff\u202e`);
    expect(shown.stdout).not.toContain('\x1b');
    const raw = await logs('--raw');
    expect(raw.stdout.endsWith(`\n${'x'.repeat(100_000)}\n`)).toBe(true);
    expect(raw.stdout).toContain('\x1b[2Jhi');
    const json = (await logs('--json')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(json[0]).toMatchObject({ app: 'shop', daemon: 'main', stream: 'out' });
    expect(Buffer.from(json[0].bytes, 'base64').toString('latin1')).toBe('\x1b[2Jhi\xff\xe2\x80\xae');
  });

  it('hold a flood without a gap, rotated by size, and no more of it than is kept', async () => {
    shellApp({ main: 'seq 1 400000' }, 'log.to = file\nlog.max-size = 2m\nlog.max-files = 100');
    expect(await run()).toMatchObject({ status: 0 });
    const names = rotated();
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      expect(name).toMatch(/^main\.\d{8}T\d{6}\.\d{3}Z\.log$/);
      expect(statSync(join(logDirectory, name)).size).toBeLessThanOrEqual(2 << 20);
    }
    const { stdout } = await logs('--raw');
    expect(stdout === Array.from({ length: 400_000 }, (_, i) => `${i + 1}\n`).join('')).toBe(true);
    expect((await logs('--raw', '-n', '2')).stdout).toBe('399999\n400000\n');
    expect((await logs('--raw', '-n', '100000')).stdout.split('\n')[0]).toBe('300001');
    shellApp({ main: 'echo again' }, 'log.to = file\nlog.max-size = 2m\nlog.max-files = 2');
    await run();
    expect(rotated()).toHaveLength(2);
    expect((await logs('--raw', '-n', '1')).stdout).toBe('again\n');
  });

  it('are compressed a little later, and what a killed supervisor left is too', async () => {
    shellApp({ main: 'echo now; exec sleep 60' }, 'log.to = file\nlog.rotate = size');
    mkdirSync(logDirectory, { recursive: true });
    chmodSync(join(logDirectory, '..'), 0o750);
    writeFileSync(join(logDirectory, 'main.20260101T000000.000Z.log'), '2026-01-01T00:00:00.000Z 1 out: old\n');
    writeFileSync(join(logDirectory, 'main.20260101T000001.000Z.log.gz.new'), 'half');
    shellApp({ main: 'echo now; exec sleep 60' }, 'log.to = file\nlog.max-age = infinity');
    const one = startMetactl(['run', 'shop'], { root: scratch.root });
    running.push(one);
    await one.waitFor(/now/);
    const gz = join(logDirectory, 'main.20260101T000000.000Z.log.gz');
    const end = performance.now() + 20_000;
    while (!readdirSync(logDirectory).some((name) => name.endsWith('.log.gz')) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(gunzipSync(readFileSync(gz)).toString()).toBe('2026-01-01T00:00:00.000Z 1 out: old\n');
    expect(rotated()).toEqual(['main.20260101T000000.000Z.log.gz']);
    expect(bare((await logs()).stdout)).toEqual(['out: old', 'out: now']);
    expect(bare((await logs('--since', '2026-01-02')).stdout)).toEqual(['out: now']);
    await one.stop();
  });

  it('follow no symlink, and nothing else that is no file', async () => {
    shellApp({ main: 'echo out' });
    mkdirSync(logDirectory, { recursive: true });
    writeFileSync(join(scratch.root, 'victim'), 'untouched');
    symlinkSync(join(scratch.root, 'victim'), join(logDirectory, 'main.log'));
    const link = await run();
    expect(link.status).toBe(125);
    expect(link.stderr).toContain(`can't open the log ${logDirectory}/main.log: ELOOP`);
    expect(link.stderr).toContain('hint: a symlink is there; move it away');
    expect(readFileSync(join(scratch.root, 'victim'), 'utf8')).toBe('untouched');
    execFileSync('rm', [join(logDirectory, 'main.log')]);
    execFileSync('mkfifo', [join(logDirectory, 'main.log')]);
    const fifo = await run();
    expect(fifo.stderr).toContain(`can't open the log ${logDirectory}/main.log: it is no file`);
    execFileSync('rm', ['-r', logDirectory]);
    symlinkSync('/tmp', logDirectory);
    expect((await run()).stderr).toMatch(/can't open the log directory .*shop: (?:ELOOP|ENOTDIR|EEXIST)/);
    execFileSync('rm', [logDirectory]);
    mkdirSync(logDirectory);
    execFileSync('chown', ['1234', logDirectory]);
    expect((await run()).stderr).toContain('hint: it must belong to root; look at it, then remove it');
  });

  it('lose counted lines only when the disk is full, and say so when it no longer is', async () => {
    shellApp({ main: 'seq -f %.0f. 1 60000; echo full; sleep 3; echo later; sleep 2; echo last' });
    mkdirSync(join(logDirectory, '..'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=750', 'tmpfs', join(logDirectory, '..')]);
    mounted.push(join(logDirectory, '..'));
    writeFileSync(join(logDirectory, '..', 'ballast'), Buffer.alloc(500_000));
    const one = startMetactl(['run', 'shop'], { root: scratch.root });
    running.push(one);
    await one.waitFor(/can't write to .*main\.log: ENOSPC; its lines are lost until that works again/);
    await one.waitFor(/full/);
    // As an administrator makes room.
    execFileSync('rm', [join(logDirectory, '..', 'ballast')]);
    const { stderr } = await one.ended;
    expect(stderr.match(/ENOSPC; its lines/g)).toHaveLength(1);
    const lines = bare(fileText());
    const note = lines.findIndex((line) => line.startsWith('metactl: '));
    const lost = Number(/^metactl: (\d+) lines lost: ENOSPC$/.exec(lines[note]!)![1]);
    const whole = lines.filter((line) => /^out: (?:\d+\.|full|later|last)$/.test(line)).length;
    // A line that broke off is among the lost ones.
    expect(whole + lost).toBe(60_003);
    expect(lines.slice(-2)).toEqual(['out: later', 'out: last']);
  });
});

describe('metactl logs', () => {
  it('merges daemons by time', async () => {
    shellApp({ a: 'echo 1; sleep 0.6; echo 3', b: 'sleep 0.3; echo 2; sleep 0.6; echo 4' });
    await run();
    expect(bare((await logs()).stdout)).toEqual(['a out: 1', 'b out: 2', 'a out: 3', 'b out: 4']);
    expect(bare((await logs('b')).stdout)).toEqual(['out: 2', 'out: 4']);
    expect(bare((await logs('-n', '3')).stdout)).toEqual(['b out: 2', 'a out: 3', 'b out: 4']);
  });

  it('follows what comes, over rotations', async () => {
    shellApp(
      { main: 'echo first; sleep 1; seq 1 60000; echo end; exec sleep 60' },
      'log.to = file\nlog.max-size = 1m\nlog.max-files = 50',
    );
    const one = startMetactl(['run', 'shop'], { root: scratch.root });
    running.push(one);
    await one.waitFor(/first/);
    const follower = startMetactl(['logs', 'shop', '-f', '--raw'], { root: scratch.root });
    running.push(follower);
    await follower.waitFor(/\nend\n/);
    const expected = `first\n${Array.from({ length: 60_000 }, (_, i) => `${i + 1}\n`).join('')}end\n`;
    expect(follower.output.stdout === expected).toBe(true);
    await one.stop();
  });

  it('shows the last lines of a flood, as many as are asked for, and goes on after them', async () => {
    const flood = 'i=0; while [ $i -lt 4000000 ]; do seq $((i+1)) $((i+10000)); i=$((i+10000)); sleep 0.1; done';
    shellApp({ main: flood }, 'log.to = file\nlog.max-size = 1m\nlog.max-files = 50');
    const via = ['sh', '-c', 'exec "$@" >/dev/null', 'sh'];
    const one = startMetactl(['run', 'shop'], { root: scratch.root, via });
    running.push(one);
    for (let round = 0; round < 100 && !(existsSync(logDirectory) && rotated().length > 1); round++) await sleep(100);
    for (let round = 0; round < 3; round++) {
      const numbers = (await logs('--raw', '-n', '40000')).stdout.trim().split('\n').map(Number);
      expect(numbers).toHaveLength(Math.min(40_000, numbers.at(-1)!));
      expect(numbers.at(-1)! - numbers[0]! + 1).toBe(numbers.length);
    }
    const follower = startMetactl(['logs', 'shop', '--raw', '-n', '20000', '-f'], { root: scratch.root });
    running.push(follower);
    await follower.waitFor(/\n(\d+)\n/);
    const before = follower.output.stdout.length;
    for (let round = 0; round < 400 && follower.output.stdout.length < before + 500_000; round++) await sleep(50);
    await follower.stop();
    expect(follower.output.stdout.length).toBeGreaterThan(before + 500_000);
    const lines = follower.output.stdout.split('\n').slice(0, -1).map(Number);
    expect(lines.every((number, at) => at === 0 || number === lines[at - 1]! + 1)).toBe(true);
    expect(follower.output.stderr).toBe('');
    await one.stop();
  });

  it('waits for a log that is not there yet, until it is ended', async () => {
    shellApp({ main: 'echo first' });
    const follower = startMetactl(['logs', 'shop', '-f', '--raw'], { root: scratch.root });
    running.push(follower);
    await follower.waitFor(/shop has no log yet: waiting for its first line/);
    expect(() => statSync(join(logDirectory, '..'))).toThrow('ENOENT');
    await run();
    await follower.waitFor(/^first\n/m);
    const { status, signal } = await follower.stop('SIGINT');
    expect(status ?? signal).toBe('SIGINT');
  });

  it('reads what others left there, damaged or not', async () => {
    shellApp({ main: 'true' });
    mkdirSync(logDirectory, { recursive: true });
    const line = (minute: string, text: string) => `2026-01-01T00:${minute}:00.000Z 1 out: ${text}\n`;
    const whole = gzipSync(Array.from({ length: 30_000 }, (_, i) => line('01', `${Math.sin(i)}`)).join(''));
    writeFileSync(join(logDirectory, 'main.20260101T000000.000Z.log.gz'), gzipSync(line('00', 'one')));
    writeFileSync(join(logDirectory, 'main.20260101T000100.000Z.log.gz'), whole.subarray(0, whole.length / 2));
    writeFileSync(join(logDirectory, 'main.log'), `${line('02', 'two')}by hand\n2026-01-01T00:03:00.000Z 1 o`);
    const { status, stdout } = await logs();
    expect(status).toBe(0);
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe('2026-01-01T00:00:00.000Z out: one');
    expect(lines.length).toBeGreaterThan(1000);
    expect(lines.slice(-2)).toEqual(['2026-01-01T00:02:00.000Z out: two', '2026-01-01T00:02:00.000Z metactl~ by hand']);
    // The next start ends the line that a crash left open.
    await run();
    shellApp({ main: 'echo next' });
    await run();
    expect(fileText()).toMatch(/ 1 o\n\d{4}\S+ \d+ out: next\n$/);
  });

  it('goes through the pager on a terminal, and harmlessly without one', async () => {
    shellApp({ main: String.raw`printf '\033[2Jhello\n'` });
    await run();
    const command = (more: string) => `${process.execPath} ${REPOSITORY}/bin/metactl.cjs logs shop ${more}`;
    const shown = async (before: string, more = '') =>
      await onTerminal({ root: scratch.root, program: `${before} ${command(more)}` });
    expect(await shown('PAGER="tr a-z A-Z"')).toContain(String.raw`\X1B[2JHELLO`);
    expect(await shown('PAGER="tr a-z A-Z"', '--no-pager')).toContain(String.raw`\x1b[2Jhello`);
    // Neither is a pager that isn't there a reason to show nothing.
    for (const pager of ['', 'PAGER=', 'PAGER=nothing-of-that-name', 'TERM=xterm']) {
      expect(await shown(pager)).toContain(String.raw`\x1b[2Jhello`);
    }
  });

  it('tells what is wrong', async () => {
    shellApp({ main: 'echo out' });
    expect(await runMetactl(['logs', 'nothing'], { root: scratch.root })).toMatchObject({ status: 4 });
    expect(await logs('db')).toMatchObject({ status: 2, stderr: expect.stringContaining('shop has no daemon `db`') });
    expect(await logs('--since', 'soon')).toMatchObject({ status: 2 });
    expect(await logs('-n', 'x')).toMatchObject({ status: 2 });
    await run();
    // The log outlives a broken configuration, and the app itself.
    scratch.node('shop', 'nonsense');
    expect(bare((await logs()).stdout)).toEqual(['out: out']);
    execFileSync('rm', [join(scratch.root, 'etc/metactl/nodes/shop.conf')]);
    expect(bare((await logs()).stdout)).toEqual(['out: out']);
    // Members of the group adm may read it, others may not.
    chmodSync(join(scratch.root, 'var/log'), 0o755);
    const adm = statSync(logDirectory).gid;
    const as = (gid: number) => runMetactl(['logs', 'shop'], { root: scratch.root, uid: 12_345, gid });
    expect(bare((await as(adm)).stdout)).toEqual(['out: out']);
    expect(await as(12_345)).toMatchObject({ status: 77, stdout: '' });
  });
});
