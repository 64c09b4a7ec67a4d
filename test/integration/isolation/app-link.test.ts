import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Outcome, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

const DEVELOPER = 1000;
let scratch: Scratch;
let home: string;

// /home is covered inside, so that what lies above an app directory there is made anew.
beforeEach(() => {
  home = mkdtempSync('/home/metactl-test-');
  chmodSync(home, 0o755);
  for (const name of ['dev', 'other', 'other/public']) mkdirSync(join(home, name), { mode: 0o755 });
  writeFileSync(join(home, 'other/public/text'), 'of the other\n', { mode: 0o644 });
  chownSync(join(home, 'dev'), DEVELOPER, DEVELOPER);
});
// After the scratch root's own removal: registered before it.
afterEach(() => rmSync(home, { recursive: true }));
useProbeScratch((made) => {
  scratch = made;
});

/** Links dev/app to other/public and runs `cat text` in it. */
async function run(name: string, daemon = ''): Promise<{ check: Outcome; run: Outcome }> {
  const link = join(home, name);
  symlinkSync(join(home, 'other/public'), link);
  const net = '[sandbox.net]\nmode = none\n';
  scratch.node('shop', `[app]\ndirectory = ${link}\n${net}[daemon.main]\ncommand = cat text\n${daemon}`);
  const { root } = scratch;
  return { check: await runMetactl(['check', 'shop'], { root }), run: await runMetactl(['run', 'shop'], { root }) };
}

describe('an app directory that is a link from one place below /home to another', () => {
  it('is there where everybody may go', async () => {
    const found = await run('dev/app');
    expect(found.check, found.check.stdout).toMatchObject({ status: 0 });
    expect(found.run, found.run.stderr).toMatchObject({ status: 0, stdout: 'of the other\n' });
  });

  it('is refused where a developer’s link leads past a closed directory', async () => {
    chmodSync(join(home, 'other'), 0o700);
    const found = await run('dev/app');
    const message = `the app directory ${home}/dev/app leads to ${home}/other/public, and that is in ${home}/other, which the app's user may not enter`;
    expect(found.run).toMatchObject({ status: 78, stdout: '' });
    expect(found.run.stderr).toContain(message);
    expect(found.check.status).toBe(78);
    expect(found.check.stdout + found.check.stderr).toContain(message);
  });

  it('is there where its user may go, or where the link is root’s', async () => {
    chmodSync(join(home, 'other'), 0o700);
    expect((await run('app')).run).toMatchObject({ status: 0, stdout: 'of the other\n' });
    chownSync(join(home, 'other'), 33, 33);
    expect((await run('dev/app', 'user = www-data\n')).run).toMatchObject({ status: 0, stdout: 'of the other\n' });
  });
});
