import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Value } from '../../../src/config/types.ts';
import { platformNamed } from '../../../src/platform/index.ts';
import { installJavaApp } from '../../helpers/java.ts';
import { fakeConfig, withDefaults } from '../../unit/platform/fake-config.ts';

/** The command lines of the Java platforms, run by hand as an unprivileged user: no sandbox, loopback only. */

const NOBODY = 65534;

let scratch: string;
let app: string;
let state: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'metactl-java-'));
  chmodSync(scratch, 0o755);
  [app, state] = [join(scratch, 'app'), join(scratch, 'state')];
  mkdirSync(app);
  mkdirSync(state);
  chownSync(state, NOBODY, NOBODY);
});

afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  child = undefined;
  rmSync(scratch, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts what the platform says, as nobody, and returns a collector of its output. */
function start(name: string, daemon: string, keys: Record<string, Value>): () => string {
  const platform = platformNamed(name);
  const context = { app: 'myapp', daemon, ownNetwork: false };
  const bare = fakeConfig({ [`daemon.${daemon}`]: withDefaults(platform, context, keys) });
  const config = { ...bare, directory: app, stateDirectory: state, logDirectory: join(state, 'log') };
  const { argv, env, needs } = platform.command(config, daemon, context);
  expect(needs.length).toBeGreaterThan(0);
  let output = '';
  child = spawn(argv[0]!, argv.slice(1), {
    uid: NOBODY,
    gid: NOBODY,
    cwd: app,
    env: { PATH: '/usr/bin:/bin', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data));
  return () => output;
}

async function fetchWhenUp(url: string, output: () => string): Promise<{ status: number; text: string }> {
  for (const end = Date.now() + 40_000; Date.now() < end; ) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
      return { status: answer.status, text: await answer.text() };
    } catch {
      if (child?.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${url} was not answered:\n${output()}`);
}

describe('the Java platforms, run by hand', () => {
  it('jetty9 serves the only WAR of the app directory at /, as an unprivileged user, and ends on SIGTERM', async () => {
    installJavaApp(app);
    const port = await freePort();
    const output = start('jetty9', 'webapp', { 'http.port': port, 'jvm.heap.max': 64 * 1024 ** 2 });
    const root = await fetchWhenUp(`http://127.0.0.1:${port}/`, output);
    expect(root.text).toMatch(/^hello from myapp webapp user=nobody host=\S+ context=\/ heap=6\dm\n$/);
    const housekeeping = await fetchWhenUp(`http://127.0.0.1:${port}/housekeeping`, output);
    expect(housekeeping).toEqual({ status: 200, text: 'housekeeping done\n' });
    expect(readdirSync(join(state, 'jetty/webapp'))).toEqual(['logs', 'webapps', 'work']);
    child!.kill('SIGTERM');
    // 143: the JVM ends by itself after SIGTERM. That it is not the shell's proves that the pid is java's own.
    expect(await once(child!, 'exit')).toEqual([143, null]);
  });

  it('jetty9 serves an exploded web application at a context path and forgets what an earlier start left', async () => {
    const { webapp } = installJavaApp(app);
    mkdirSync(join(app, 'shop & co'));
    execFileSync('jar', ['--extract', '--file', webapp], { cwd: join(app, 'shop & co') });
    const stale = join(state, 'jetty/webapp/start.d');
    mkdirSync(stale, { recursive: true });
    chownSync(join(state, 'jetty/webapp'), NOBODY, NOBODY);
    chownSync(join(state, 'jetty'), NOBODY, NOBODY);
    chownSync(stale, NOBODY, NOBODY);
    const port = await freePort();
    const keys = { 'http.port': port, 'jetty.webapp': 'shop & co', 'jetty.context-path': '/shop' };
    const output = start('jetty9', 'webapp', keys);
    expect((await fetchWhenUp(`http://127.0.0.1:${port}/shop/`, output)).text).toContain(' context=/shop/ ');
    expect((await fetchWhenUp(`http://127.0.0.1:${port}/`, output)).status).toBe(404);
    expect(readdirSync(join(state, 'jetty/webapp'))).toEqual(['logs', 'webapps', 'work']);
  });

  it('jetty9 writes the logs of its modules into the log directory, which outlives its base', async () => {
    installJavaApp(app);
    const port = await freePort();
    const options = ['http', 'deploy', 'annotations', 'requestlog'];
    const output = start('jetty9', 'webapp', { 'http.port': port, 'jetty.options': options });
    await fetchWhenUp(`http://127.0.0.1:${port}/housekeeping`, output);
    const logs = join(state, 'log');
    const text = () => readdirSync(logs).map((name) => readFileSync(join(logs, name), 'utf8'));
    await expect.poll(text).toEqual([expect.stringContaining('GET /housekeeping')]);
  });

  it("jetty9 serves a web application from the app's own base directory too", async () => {
    installJavaApp(app);
    mkdirSync(join(app, 'base'));
    writeFileSync(join(app, 'base/start.ini'), '--module=http,annotations\njetty.http.port=1\n');
    const port = await freePort();
    const output = start('jetty9', 'webapp', { 'http.port': port, 'jetty.base': 'base', 'jetty.webapp': 'webapp.war' });
    expect((await fetchWhenUp(`http://127.0.0.1:${port}/`, output)).text).toContain('hello from myapp webapp');
  });

  it('jvm runs a jar with its argument', async () => {
    installJavaApp(app);
    const port = await freePort();
    const output = start('jvm', 'jobmanager', { 'jvm.jar': ['jobmanager.jar', String(port)] });
    const answer = await fetchWhenUp(`http://127.0.0.1:${port}/`, output);
    expect(answer.text).toMatch(/^job manager of myapp user=nobody host=\S+\n$/);
  });
});
