import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { objectName, pathsFor } from '../../../src/util/paths.ts';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

/** Answers with the app's own root, and asks its sister on the app's address and on loopback. */
const SERVER = `import { createServer } from 'node:http';
createServer((_, answer) => answer.end('root ' + process.env.WHERE)).listen(80, '0.0.0.0', () => console.log('listening'));
`;
const ASKER = `for (const host of ['127.0.0.1', process.env.ADDRESS, 'shop'])
  for (let i = 0; ; i++)
    try { console.log(host, await (await fetch('http://' + host + '/')).text()); break; }
    catch (error) { if (i > 100) throw error; await new Promise((go) => setTimeout(go, 50)); }
setInterval(() => {}, 1000);
`;

let lab: Lab;
let roots: Scratch[] = [];
const running: Running[] = [];

beforeAll(async () => {
  lab = await makeLab();
  const [base] = lab.pool.split('/');
  const parts = base!.split('.');
  // Two nodes can't share a pool; each root has a part of the lab's.
  roots = [160, 192].map((last) => {
    const scratch = makeScratch();
    const directory = scratch.appDirectory('shop', { 'server.mjs': SERVER, 'asker.mjs': ASKER });
    scratch.metactlConf(`[network]\npool = ${parts.slice(0, 3).join('.')}.${last}/29\nuplink = ${lab.uplink}\n`);
    scratch.node(
      'shop',
      `[app]\ndirectory = ${directory}\n[env]\nWHERE = ${scratch.root}\nADDRESS = %(ip)\n` +
        '[daemon.server]\nplatform = node\nnode.script = server.mjs\n[daemon.asker]\nplatform = node\nnode.script = asker.mjs\n',
    );
    return scratch;
  });
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop('SIGKILL');
  for (const { root } of roots) await runMetactl(['gc'], { root });
});
afterAll(() => {
  for (const scratch of roots) scratch.remove();
  lab.close();
});

async function start(scratch: Scratch, daemon = 'server'): Promise<Running> {
  const one = startMetactl(['run', 'shop', daemon], { root: scratch.root });
  running.push(one);
  await one.waitFor(daemon === 'server' ? /listening/ : /shop root/);
  return one;
}

const address = async ({ root }: Scratch) => (await runMetactl(['ip', 'shop'], { root })).stdout.trim();
const fetchFrom = (url: string, netns?: string) => {
  const curl = ['curl', '-sS', '--max-time', '5', url];
  const [file, ...words] = netns === undefined ? curl : ['ip', 'netns', 'exec', netns, ...curl];
  return execFileSync(file!, words, { encoding: 'utf8' });
};

describe('an app of the same name under two roots', () => {
  it('runs, restarts and is collected side by side, reachable from another server', async () => {
    const [one, other] = roots as [Scratch, Scratch];
    const first = await start(one);
    await start(other);
    const [a, b] = [await address(one), await address(other)];
    expect(a).not.toBe(b);
    for (const netns of [undefined, lab.otherNetns]) {
      expect(fetchFrom(`http://${a}/`, netns)).toBe(`root ${one.root}`);
      expect(fetchFrom(`http://${b}/`, netns)).toBe(`root ${other.root}`);
    }
    expect(await first.stop('SIGTERM')).toMatchObject({ status: 143 });
    expect(fetchFrom(`http://${b}/`, lab.otherNetns)).toBe(`root ${other.root}`);
    await start(one);
    expect(await address(one)).toBe(a);
    expect(fetchFrom(`http://${a}/`)).toBe(`root ${one.root}`);
    expect(fetchFrom(`http://${b}/`)).toBe(`root ${other.root}`);
  });

  it('gc of one touches nothing of the other', async () => {
    const [one, other] = roots as [Scratch, Scratch];
    const killed = await start(one);
    await start(other);
    await killed.stop('SIGKILL');
    const { stdout, status } = await runMetactl(['gc', '--json'], { root: one.root });
    expect(status).toBe(0);
    expect(stdout).toContain('shop');
    expect(fetchFrom(`http://${await address(other)}/`, lab.otherNetns)).toBe(`root ${other.root}`);
    const namespaces = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    expect(namespaces).not.toContain(objectName(pathsFor(one.root), 'shop'));
    expect(namespaces).toContain(objectName(pathsFor(other.root), 'shop'));
    expect(JSON.parse((await runMetactl(['gc', '--json'], { root: one.root })).stdout)).toEqual({
      dryRun: false,
      items: [],
    });
  });

  it('daemons of one app reach each other on loopback, on its address and by its name', async () => {
    const one = roots[0]!;
    await start(one);
    const asker = await start(one, 'asker');
    const ip = await address(one);
    expect(asker.output.stdout.trim().split('\n')).toEqual(
      ['127.0.0.1', ip, 'shop'].map((host) => `${host} root ${one.root}`),
    );
    const namespace = objectName(pathsFor(one.root), 'shop');
    const inside = execFileSync('ip', ['netns', 'exec', namespace, 'ip', '-br', 'addr', 'show', 'veth0'], {
      encoding: 'utf8',
    });
    expect(inside).toContain(`${ip}/32`);
  });

  it('leaves nothing in /run when the last daemon ends', async () => {
    const one = roots[0]!;
    const server = await start(one);
    const asker = await start(one, 'asker');
    await server.stop('SIGTERM');
    expect(fetchWorks(await address(one))).toBe(false);
    expect(readdirSync(join(one.root, 'run/metactl'))).toContain('shop');
    await asker.stop('SIGTERM');
    expect(readdirSync(join(one.root, 'run/metactl')).filter((name) => !name.startsWith('.'))).toEqual([]);
  });
});

function fetchWorks(ip: string): boolean {
  try {
    fetchFrom(`http://${ip}/`);
    return true;
  } catch {
    return false;
  }
}
