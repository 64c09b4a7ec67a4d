import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

/** What the app sees of itself, of metactl and of the host's /tmp; one JSON line. */
const LOOK = `import { existsSync, readdirSync, statfsSync, writeFileSync } from 'node:fs';
const attempt = (work) => { try { return work() ?? 'done'; } catch (error) { return error.code; } };
console.log(JSON.stringify({
  state: attempt(() => writeFileSync(process.env.STATE + '/counted', 'x')),
  release: attempt(() => writeFileSync(process.env.RELEASE + '/mine', 'x')),
  own: attempt(() => writeFileSync('/tmp/own', 'x')),
  configuration: existsSync(process.env.ROOT + '/etc/metactl/nodes'),
  runtime: existsSync(process.env.ROOT + '/run/metactl'),
  neighbour: existsSync(process.env.PARENT + '/metactl-test-neighbour'),
  apps: readdirSync(process.env.ROOT + '/var/lib/metactl/apps'),
}));
`;

describe.each(['/tmp', '/var/tmp'])('a root below %s', (parent) => {
  const neighbour = join(parent, 'metactl-test-neighbour');
  let scratch: Scratch;

  beforeEach(() => {
    scratch = makeScratch(parent);
    writeFileSync(neighbour, 'of the host\n');
  });
  afterEach(async () => {
    await runMetactl(['gc'], { root: scratch.root });
    scratch.remove();
    execFileSync('rm', ['-f', neighbour]);
  });

  const node = (directory: string, state: string) =>
    `${directory === '' ? '' : `[app]\ndirectory = ${directory}\n`}[sandbox.net]\nmode = none\n[env]\nSTATE = ${state}\n` +
    `RELEASE = %(app_dir)\nROOT = ${scratch.root}\nPARENT = ${parent}\n[daemon.look]\nplatform = node\nnode.script = look.mjs\n` +
    'restart = no\n';
  const seen = { state: 'done', release: 'EROFS', own: 'done', configuration: false, runtime: false, neighbour: false };

  it('starts an app whose directory is told, more than once', async () => {
    const directory = scratch.appDirectory('shop', { 'look.mjs': LOOK });
    const state = join(scratch.root, 'var/lib/metactl/apps/shop/state');
    scratch.node('shop', node(directory, state));
    for (let time = 0; time < 2; time++) {
      const outcome = await runMetactl(['run', 'shop'], { root: scratch.root });
      expect(outcome).toMatchObject({ status: 0, stderr: '' });
      expect(JSON.parse(outcome.stdout.slice(outcome.stdout.indexOf('{')))).toEqual({ ...seen, apps: ['shop'] });
    }
    expect(existsSync(join(state, 'counted'))).toBe(true);
    // What was made to mount things on is in the app's own /tmp.
    expect(readdirSync(scratch.root).sort()).toEqual(['apps', 'etc', 'run', 'var']);
  });

  it('starts an app that metactl deploys, beside another one', async () => {
    for (const app of ['shop', 'other']) {
      const home = join(scratch.root, 'var/lib/metactl/apps', app);
      mkdirSync(join(home, 'releases/7'), { recursive: true });
      writeFileSync(join(home, 'releases/7/look.mjs'), LOOK);
      symlinkSync('releases/7', join(home, 'current'));
      scratch.node(app, node('', join(home, 'state')));
    }
    for (const app of ['shop', 'other']) {
      const outcome = await runMetactl(['run', app], { root: scratch.root });
      expect(outcome).toMatchObject({ status: 0, stderr: '' });
      expect(JSON.parse(outcome.stdout.slice(outcome.stdout.indexOf('{')))).toEqual({ ...seen, apps: [app] });
    }
  });
});
