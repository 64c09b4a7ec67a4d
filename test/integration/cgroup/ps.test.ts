import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DaemonCgroup, detectCgroups, makeDaemonCgroup } from '../../../src/host/linux/cgroup/index.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { inside, useInside } from './inside.ts';

leakCheck();
useInside();

let scratch: Scratch;
let cgroups: DaemonCgroup[];
const NODE = '[daemon.web]\ncommand = /bin/sleep 1000\n[daemon.jobs]\ncommand = /bin/sleep 1000\n';

beforeEach(() => {
  scratch = makeScratch();
  cgroups = [];
  scratch.node('shop', `[app]\ndirectory = ${scratch.appDirectory('shop', {})}\n${NODE}`);
});

afterEach(async () => {
  for (const cgroup of cgroups) {
    cgroup.kill();
    await cgroup.remove();
  }
  scratch.remove();
});

/** A daemon's cgroup with a process in its own PID namespace, as `run` would have made it. */
async function daemon(name: string, ...command: string[]): Promise<void> {
  const cgroup = makeDaemonCgroup(pathsFor(scratch.root), 'shop', name, {}, detectCgroups(), false);
  cgroups.push(cgroup);
  const script = 'echo ready; exec "$@"';
  await inside(cgroup, 'exec', 'unshare', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh', ...command)
    .first;
  // Between its line and its exec.
  await sleep(50);
}

const ps = (...args: string[]) => runMetactl(['ps', ...args], { root: scratch.root });

describe('metactl ps', () => {
  it('shows processes as the host and as the sandbox sees them', async () => {
    await daemon('web', 'sleep', '1001');
    const { stdout, status } = await ps('shop', 'web');
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^ *PID {2}INSIDE {2}USER +RSS +CPU +TIME {2}COMMAND$/);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/^ *\d+ {7}1 {2}root +[\d.]+[km] +\d+\.\d% {2}0:00\.\d\d {2}sleep 1001$/);
  });

  it('hides passwords in command lines unless it is told to reveal them', async () => {
    await daemon(
      'web',
      'tail',
      '-f',
      '/dev/null',
      '--pid=1',
      '--',
      '/dev/null',
      '--password=hunter3',
      'x://u:hunter2@db/x',
    );
    const shown = '--password=*** x://u:***@db/x';
    for (const options of [[], ['--json']]) {
      const { stdout } = await ps('shop', 'web', ...options);
      expect(stdout).toContain(shown);
      expect(stdout).not.toContain('hunter');
      expect(stdout).not.toContain('revealed');
      const { stdout: open } = await ps('shop', 'web', '--reveal', ...options);
      expect(open).toContain('--password=hunter3 x://u:hunter2@db/x');
    }
  });

  it('tells which daemon, which app', async () => {
    await daemon('web', 'sleep', '1001');
    await daemon('jobs', 'sleep', '1002');
    expect((await ps('shop')).stdout).toMatch(/^jobs .* sleep 1002$/m);
    expect((await ps()).stdout).toMatch(/^shop {2}web .* sleep 1001$/m);
  });

  it('prints JSON', async () => {
    await daemon('web', 'sleep', '1001');
    const listed = JSON.parse((await ps('shop', '--json')).stdout) as Record<string, unknown>[];
    expect(listed.find(({ command }) => command === 'sleep 1001')).toMatchObject({
      app: 'shop',
      daemon: 'web',
      insidePid: 1,
      user: 'root',
      state: 'S',
    });
  });

  it('does not hand on what an app writes into its command line', async () => {
    await daemon('web', 'sh', '-c', 'sleep 1001; :', '\u001b]0;owned\u0007');
    const { stdout } = await ps('shop');
    expect(stdout).toContain('\\x1b]0;owned\\x07');
    expect(stdout).not.toContain('\u001b');
  });

  it('ends with 3 where nothing runs, with 4 where there is no such app, with 2 for no such daemon', async () => {
    expect(await ps('shop')).toMatchObject({
      status: 3,
      stdout: '',
      stderr: 'metactl: shop is not running\n  hint: start it with `metactl run shop`\n',
    });
    expect(await ps('shop', 'web')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('shop web is not running'),
    });
    expect(await ps('blog')).toMatchObject({ status: 4 });
    expect(await ps('shop', 'cron')).toMatchObject({
      status: 2,
      stderr: 'metactl: shop has no daemon `cron`\n  hint: it has web jobs\n',
    });
  });

  it('is a heading, or an empty list, where no app runs', async () => {
    expect(await ps()).toMatchObject({
      status: 0,
      stdout: 'APP  DAEMON  PID  INSIDE  USER  RSS  CPU  TIME  COMMAND\n',
    });
    expect(await ps('--json')).toMatchObject({ status: 0, stdout: '[]\n' });
  });
});
