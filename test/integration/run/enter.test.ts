import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let running: Running;
const children: ChildProcess[] = [];

beforeAll(async () => {
  scratch = makeScratch();
  const directory = scratch.appDirectory('shop', {
    'main.sh': '#!/bin/sh\nmkdir -p /tmp/shared\necho up\nexec sleep 1000\n',
    'idle.sh': '#!/bin/sh\nexit 0\n',
  });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[env]\nCOLOUR = blue\n` +
      '[daemon.main]\ncommand = ./main.sh\n[daemon.idle]\ncommand = ./idle.sh\n',
  );
  running = startMetactl(['run', 'shop', 'main'], { root: scratch.root });
  await running.waitFor(/up/);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await running.stop('SIGTERM');
  scratch.remove();
});

const exec = (...args: string[]) => runMetactl(['exec', 'shop', ...args], { root: scratch.root });

/** Types into `metactl shell` on a terminal of its own (util-linux script) and collects what comes back. */
async function shell(
  typed: string,
  args: readonly string[] = [],
  size = 'stty rows 33 cols 77',
): Promise<{ text: string; status: number | null }> {
  const command = `${size}; ${process.execPath} ${join(REPOSITORY, 'bin/metactl.cjs')} shell shop ${args.join(' ')}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { PATH: process.env.PATH ?? '', METACTL_ROOT: scratch.root, TERM: 'dumb' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    // Keys only after the first prompt: what is typed before belongs to the caller's terminal.
    if (text === '') child.stdin.write(typed);
    text += data;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ text, status })));
}

describe('metactl exec', () => {
  it('passes output, input and status through', async () => {
    const outcome = await runMetactl(['exec', 'shop', '--', 'sh', '-c', 'cat; echo err >&2; exit 5'], {
      root: scratch.root,
      input: 'from outside',
    });
    expect(outcome).toEqual({ stdout: 'from outside', stderr: 'err\n', status: 5, signal: undefined });
  });

  it('gives 128+n for a signal, 127 for what is not there, 126 for what can’t run', async () => {
    expect(await exec('--', 'sh', '-c', 'kill -KILL $$')).toMatchObject({ status: 137 });
    expect(await exec('--', 'no-such-program')).toMatchObject({ status: 127 });
    expect(await exec('--', '/etc/passwd')).toMatchObject({ status: 126 });
  });

  it('is in the daemon’s sandbox, with its environment and files', async () => {
    const { stdout } = await exec('--', 'sh', '-c', 'hostname; echo $COLOUR; ls -d /tmp/shared; pwd; ps -o args= 2');
    expect(stdout.split('\n')).toEqual(['shop', 'blue', '/tmp/shared', `${scratch.root}/apps/shop`, 'sleep 1000', '']);
  });

  it('says 3 where nothing runs, and what to do', async () => {
    expect(await exec('idle', '--', 'id')).toMatchObject({
      status: 125,
      stderr:
        'metactl: shop/idle is not running\n  hint: start it (metactl run shop), or use exec --fresh for a sandbox of its own\n',
    });
  });

  it('tells no secret where it can’t enter', async () => {
    const secret = 'hunter2-of-the-shop';
    const state = join(scratch.root, 'var/lib/metactl/apps/vault/state');
    const directory = scratch.appDirectory('vault', {});
    const text = `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[env]\nDB_PASSWORD = ${secret}\n`;
    const command = 'command = /bin/sh -c "echo up; exec sleep 1000"\n';
    scratch.node('vault', `${text}[daemon.main]\n${command}working-directory = %(state_dir)/%(DB_PASSWORD)\n`);
    const failure = {
      stderr: expect.stringMatching(/^metactl: enter working directory `.*\/state\/\*\*\*`: no such file or directory/),
      stdout: '',
      status: 125,
    };
    const run = ['exec', 'vault', '--', 'true'];
    const fresh = await runMetactl(['exec', 'vault', '--fresh', '--', 'true'], { root: scratch.root });
    expect([fresh.stderr.includes(secret), fresh]).toMatchObject([false, failure]);
    mkdirSync(join(state, secret));
    const vault = startMetactl(['run', 'vault'], { root: scratch.root });
    try {
      await vault.waitFor(/up/);
      expect(await runMetactl(run, { root: scratch.root })).toMatchObject({ status: 0 });
      rmSync(join(state, secret), { recursive: true });
      const entered = await runMetactl(run, { root: scratch.root });
      expect([entered.stderr.includes(secret), entered]).toMatchObject([false, failure]);
    } finally {
      await vault.stop('SIGTERM');
    }
  });

  it('--fresh needs nothing that runs, and sees no other daemon', async () => {
    const { stdout, status } = await exec('idle', '--fresh', '--', 'sh', '-c', 'ps -e -o args=; exit 4');
    expect(stdout).toContain('metactl-init shop/exec-');
    expect(stdout).not.toContain('sleep 1000');
    expect(status).toBe(4);
  });

  it('--as-root may repair the app’s files and nothing of the host', async () => {
    const script =
      'id -u; touch "$0/x" && chown 0 "$0/x" && rm "$0/x" && echo repaired; touch /etc/x /usr/x /root/x; mknod /tmp/n c 1 3; mount -t tmpfs x /mnt; chroot /; pwd';
    const state = join(scratch.root, 'var/lib/metactl/apps/shop/state');
    const { stdout, stderr } = await exec('--as-root', '--', 'sh', '-c', script, state);
    expect({ stdout, stderr }).toMatchObject({ stdout: '0\nrepaired\n/\n' });
    for (const refused of ['/etc/x', '/usr/x', '/root/x']) expect(stderr).toMatch(new RegExp(`touch: .*'${refused}'`));
    expect(stderr).toMatch(/mknod: .*not permitted/);
    expect(stderr).toMatch(/mount: |must be superuser/);
    expect(stderr).toMatch(/chroot: .*not permitted/);
  });

  it('ends what it started when it is killed itself', async () => {
    const entered = startMetactl(['exec', 'shop', '--', 'sh', '-c', 'echo in; exec sleep 987'], { root: scratch.root });
    await entered.waitFor(/in/);
    await entered.stop('SIGKILL');
    await expect
      .poll(async () => (await exec('--', 'ps', '-e', '-o', 'args=')).stdout, { timeout: 5000 })
      .not.toContain('sleep 987');
  });

  it('wants a command', async () => {
    expect(await exec('id')).toMatchObject({ status: 125 });
  });
});

describe('metactl shell', () => {
  it('is a terminal of its own with the caller’s size, job control and status', async () => {
    const { text, status } = await shell('tty; stty size; sleep 100 & jobs; kill %1; id -u; exit 3\n');
    expect(text).toMatch(/\n\/dev\/pts\/\d+\r/);
    expect(text).toContain('33 77');
    expect(text).toMatch(/\[1\]\S*\s+Running/);
    expect(text).not.toContain('no job control');
    expect(text).toMatch(/\b[89]\d{4}\r/);
    expect(status).toBe(3);
  });

  it('returns when the shell ends, also if a background job keeps the terminal', async () => {
    const started = performance.now();
    const { status } = await shell('sleep 5 & disown; exit 0\n');
    expect(status).toBe(0);
    expect(performance.now() - started).toBeLessThan(4000);
  });

  it('as root reads no start-up file of the app', async () => {
    await exec('--', 'sh', '-c', 'echo "echo owned" >"$HOME/.bashrc"; cp "$HOME/.bashrc" "$HOME/.profile"');
    const { text } = await shell('id -u; echo $HOME; exit\n', ['--as-root']);
    expect(text).not.toContain('owned');
    expect(text).toMatch(/\n0\r/);
  });
});

describe('a daemon whose configuration is another by now', () => {
  const write = (text: string) => scratch.node('shop', text);
  const good = () =>
    `[app]\ndirectory = ${scratch.root}/apps/shop\n[sandbox.net]\nmode = none\n[env]\nCOLOUR = red\n` +
    '[daemon.main]\ncommand = ./main.sh\nworking-directory = /usr\nlimit-nofile = 77\n[daemon.idle]\ncommand = ./idle.sh\n';
  const look = () => exec('--', 'sh', '-c', 'echo $COLOUR; pwd; ulimit -n');
  let before: string;

  beforeAll(async () => {
    before = (await look()).stdout;
  });
  afterAll(() => write(good()));

  it('is entered as it runs', async () => {
    expect(before).toMatch(new RegExp(`^blue\n${scratch.root}/apps/shop\n\\d+\n$`));
    write(good());
    expect(await look()).toMatchObject({ stdout: before, status: 0 });
  });

  it('can be entered with a broken one, but not anew', async () => {
    write('[daemon.main\nnonsense\n');
    expect(await look()).toMatchObject({ stdout: before, stderr: '', status: 0 });
    expect(await exec('main', '--as-root', '--', 'id', '-u')).toMatchObject({ stdout: '0\n', status: 0 });
    expect((await shell('echo $COLOUR; exit 3\n')).status).toBe(3);
    expect(await exec('--fresh', '--', 'id')).toMatchObject({ status: 78 });
  });

  it('can be entered without any', async () => {
    rmSync(write(''));
    expect(await look()).toMatchObject({ stdout: before, status: 0 });
    const nobody = await runMetactl(['exec', 'nobody', '--', 'id'], { root: scratch.root });
    expect(nobody).toMatchObject({ status: 125, stderr: expect.stringContaining('there is no app `nobody`') });
  });

  it('keeps its environment for root only', () => {
    const path = join(scratch.root, 'run/metactl/shop/main.entry');
    expect(statSync(path).mode & 0o7777).toBe(0o600);
    expect(statSync(join(scratch.root, 'run/metactl')).mode & 0o7777).toBe(0o700);
  });
});
