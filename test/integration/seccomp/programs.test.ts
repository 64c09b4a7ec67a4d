import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

/** Real programs at work in a whole sandbox with the default filter: each prints a word for everything that worked. */

leakCheck();

const PROGRAMS = join(REPOSITORY, 'test/fixtures/programs');
const read = (name: string) => readFileSync(join(PROGRAMS, name), 'utf8');

let scratch: Scratch;
let lab: Lab | undefined;
let running: Running | undefined;

beforeEach(() => {
  scratch = makeScratch();
});
afterEach(async () => {
  await running?.stop('SIGKILL');
  running = undefined;
  await runMetactl(['gc'], { root: scratch.root });
  scratch.remove();
  lab?.close();
  lab = undefined;
});

/** Runs a program of the fixtures once, without a network but loopback. */
async function work(command: string, ...names: string[]) {
  const directory = scratch.appDirectory('work', Object.fromEntries(names.map((name) => [name, read(name)])));
  if (command.startsWith('./node')) copyFileSync(process.execPath, join(directory, 'node'));
  if (names.includes('postgres.py')) makeCertificate(directory);
  const node = `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.work]\nrestart = no\ncommand = ${command}\n`;
  scratch.node('work', node);
  const { stdout, stderr, status } = await runMetactl(['run', 'work'], { root: scratch.root, timeout: 55_000 });
  return { lines: stdout.trimEnd().split('\n'), stderr, status };
}

/** World-readable: the key protects nothing. */
function makeCertificate(directory: string): void {
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-days', '2', '-keyout', key, '-out', certificate];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-x509'];
  execFileSync('openssl', ['req', ...kind, ...subject], { stdio: 'pipe' });
  execFileSync('chmod', ['644', key, certificate]);
}

const worked = (text: string) => ({ lines: text.split(' '), stderr: '', status: 0 });

describe('under the default filter', () => {
  it('Python works', async () => {
    const names = 'sockets files signals child asyncio multiprocessing tls ctypes';
    expect(await work('python3 work.py', 'work.py')).toEqual(worked(names));
  });

  it('Ruby works', async () => {
    expect(await work('ruby work.rb', 'work.rb')).toEqual(
      worked('sockets files signals child fork timers threads tls'),
    );
  });

  it('Node works', async () => {
    const names = 'sockets files signals child fork worker webassembly crypto zlib';
    expect(await work('./node work.cjs', 'work.cjs')).toEqual(worked(names));
  });

  it('a JVM works, and compiles', async () => {
    const names = 'sockets files child timers compiled interfaces tls hook';
    expect(await work('java -Xmx256m Work.java', 'Work.java')).toEqual(worked(names));
  });

  it('the PostgreSQL client works, over TLS and when refused', async () => {
    const lines = ['psql 0 42', 'pg_isready 2 no response', 'psql 2 True'];
    expect(await work('python3 postgres.py', 'postgres.py')).toEqual({ lines, stderr: '', status: 0 });
  });

  it('nginx serves on port 80 with workers, reloads and stops, without being root', async () => {
    lab = await makeLab();
    const directory = scratch.appDirectory('pages', { 'index.html': 'page\n' });
    scratch.appDirectory('pages', { 'nginx.conf': read('nginx.conf').replace('RELEASE', directory) });
    scratch.metactlConf(lab.metactlConf);
    scratch.node(
      'pages',
      `[app]\ndirectory = ${directory}\n[daemon.nginx]\nkill-signal = SIGQUIT\ncommand = /usr/sbin/nginx -p "%(state_dir)/" -c ${directory}/nginx.conf\n`,
    );
    running = startMetactl(['run', 'pages'], { root: scratch.root });
    const { netns, address } = await served();
    const get = (path: string) =>
      execFileSync('ip', ['netns', 'exec', netns, 'curl', '-sS', '-m', '10', `http://${address}${path}`], {
        encoding: 'utf8',
      });
    expect(get('/')).toBe('page\n');
    expect(get('/proxy/index.html')).toBe('page\n');
    const before = await inside('ps', '-o', 'pid=', '-C', 'nginx');
    await inside('sh', '-c', 'kill -HUP "$(cat "$STATE_DIRECTORY/nginx.pid")"');
    for (const end = Date.now() + 10_000; before.includes(get('/pid').trim()); ) {
      if (Date.now() > end) throw new Error(`an old worker answers 10 s after SIGHUP: ${running.output.stderr}`);
    }
    expect(new Set(await inside('ps', '-o', 'user=', '-C', 'nginx'))).toEqual(new Set(['pages']));
    const outcome = await running.stop('SIGTERM');
    expect(outcome).toMatchObject({ status: 0, stdout: '' });
  });
});

/** Words that a command prints inside the running app. */
async function inside(...command: string[]): Promise<string[]> {
  const { stdout } = await runMetactl(['exec', 'pages', '--', ...command], { root: scratch.root });
  return stdout.trim().split(/\s+/);
}

/** Where the app is reached from, once it answers. */
async function served(): Promise<{ netns: string; address: string }> {
  const netns = lab!.otherNetns;
  for (const end = Date.now() + 20_000; ; ) {
    const address = (await runMetactl(['ip', 'pages'], { root: scratch.root })).stdout.trim();
    try {
      execFileSync('ip', ['netns', 'exec', netns, 'curl', '-sS', '-m', '2', `http://${address}/`], { stdio: 'pipe' });
      return { netns, address };
    } catch (error) {
      if (Date.now() > end) throw new Error(`nginx did not answer: ${running!.output.stderr}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
