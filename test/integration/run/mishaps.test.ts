import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, type Running, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
const started = useScratch((made) => {
  scratch = made;
});

function app(script: string, more = ''): void {
  const directory = scratch.appDirectory('shop', { 'main.sh': `#!/bin/sh\n${script}\n` });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./main.sh\n${more}`,
  );
}

const start = (...args: string[]): Running => started(['run', ...args]);

describe('metactl run, when something goes wrong around it', () => {
  it('runs one daemon, and ends it, also where the live state can’t be written', async () => {
    const state = '$STATE_DIRECTORY';
    app(
      `echo run >>"${state}/runs"\n[ -e "${state}/second" ] || { touch "${state}/second"; echo failing; sleep 0.5; exit 1; }\necho up; exec sleep 1000`,
      'restart-sec = 20ms\n',
    );
    const one = start('shop');
    await one.waitFor(/failing/);
    mkdirSync(join(scratch.root, 'run/metactl/shop/main.json.new'));
    await one.waitFor(/up\n/);
    await one.waitFor(/can't write the live state of shop\/main/);
    expect(readFileSync(join(scratch.root, 'var/lib/metactl/apps/shop/state/runs'), 'utf8')).toBe('run\nrun\n');
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143 });
    rmSync(join(scratch.root, 'run/metactl/shop/main.json.new'), { recursive: true, force: true });
  });

  it.each([
    ['run', 'run/metactl'],
    ['var', 'var/lib/metactl'],
  ])('says that the file system of /%s is read-only', async (top, made) => {
    app('sleep 1000');
    const path = join(scratch.root, top);
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', path]);
    try {
      const { stderr, status } = await runMetactl(['run', 'shop'], { root: scratch.root });
      expect(stderr).toMatch(/^metactl: can't make \S+: EROFS\n {2}hint: the file system is read-only\n$/);
      expect(stderr).toContain(` ${join(scratch.root, made)}`);
      expect(status).toBe(125);
    } finally {
      execFileSync('umount', [path]);
    }
  });

  it('goes on when the reader of its output goes away, and stops in order', async () => {
    app('trap "echo bye >\\"$STATE_DIRECTORY/bye\\"; exit 0" TERM\nwhile :; do echo line; sleep 0.02; done');
    const child = spawn(process.execPath, [join(REPOSITORY, 'bin/metactl.cjs'), 'run', 'shop'], {
      env: { PATH: process.env.PATH ?? '', METACTL_ROOT: scratch.root },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      child.stdout.destroy();
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(child.exitCode).toBeNull();
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
    expect(errors).toBe('');
    expect(readdirSync(join(scratch.root, 'var/lib/metactl/apps/shop/state'))).toContain('bye');
  });

  it('--no-sandbox needs no root, and passes on output and status', async () => {
    const root = mkdtempSync('/srv/metactl-mortal-');
    try {
      mkdirSync(join(root, 'etc/metactl/nodes'), { recursive: true });
      mkdirSync(join(root, 'app'));
      const conf = join(root, 'etc/metactl/nodes/shop.conf');
      writeFileSync(
        conf,
        `[app]\ndirectory = ${root}/app\n[daemon.main]\ncommand = /bin/sh -c "id -u; exit 4"\nrestart = no\n`,
        { mode: 0o600 },
      );
      for (const path of ['', 'etc', 'etc/metactl', 'etc/metactl/nodes', 'etc/metactl/nodes/shop.conf', 'app']) {
        chownSync(join(root, path), 65534, 65534);
      }
      const outcome = await runMetactl(['run', 'shop', '--no-sandbox'], { root, uid: 65534, gid: 65534 });
      expect(outcome).toEqual({
        stdout: '65534\n',
        stderr: 'metactl: shop/main ended with status 4\n',
        status: 4,
        signal: undefined,
      });
      expect(readdirSync(join(root, 'run/metactl'))).toEqual([]);
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('other verbs end quietly when nobody reads on, and say what is wrong with a full disk', async () => {
    app('exit 0');
    const shell = (command: string) =>
      new Promise<{ text: string }>((resolve) => {
        const child = spawn('/bin/sh', ['-c', command], {
          env: { PATH: process.env.PATH ?? '', METACTL_ROOT: scratch.root },
        });
        let text = '';
        child.stderr.setEncoding('utf8').on('data', (data: string) => {
          text += data;
        });
        child.on('close', () => resolve({ text }));
      });
    const metactl = `${process.execPath} ${join(REPOSITORY, 'bin/metactl.cjs')}`;
    expect((await shell(`${metactl} --json plan shop | true`)).text).toBe('');
    expect((await shell(`${metactl} --json plan shop >/dev/full`)).text).toBe(
      "metactl: can't write the output: ENOSPC\n",
    );
  });
});
