import { chownSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeProbeApp, type ProbeApp } from '../../helpers/probe-app.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useProbeScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
let app: ProbeApp;

useProbeScratch((made) => {
  scratch = made;
  app = makeProbeApp(scratch, 'shop');
});

/** A file that everybody may read, in a directory below the root. */
function secret(directory: string): string {
  const path = join(scratch.root, directory);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'secret'), 'of another app\n', { mode: 0o644 });
  return join(path, 'secret');
}
/** Configures another app, which need not run. */
function configure(name: string, directory: string): void {
  scratch.node(name, `[app]\ndirectory = ${join(scratch.root, directory)}\n[daemon.main]\ncommand = ./main\n`);
}
const open = (path: string, options: readonly string[] = []) => app.attack(['open', path, 'r'], options);

describe('the directory of another app', () => {
  it('can be read before the app is configured, and not after', async () => {
    const file = secret('elsewhere/other');
    await app.start();
    expect(await open(file)).toMatchObject({ result: 'ok', text: 'of another app\n' });
    await app.stop();
    configure('other', 'elsewhere/other');
    await app.start();
    expect(await open(file)).toMatchObject({ result: 'ENOENT' });
    expect(await open(file, ['--as-root'])).toMatchObject({ result: 'ENOENT' });
    expect(await open(join(scratch.root, 'elsewhere/other/new'), ['--as-root'])).toMatchObject({ result: 'ENOENT' });
    expect(await open(file, ['--fresh'])).toMatchObject({ result: 'ENOENT' });
    const plan = await runMetactl(['plan', 'shop'], { root: scratch.root });
    expect(plan.stdout).toContain(`mask         ${join(scratch.root, 'elsewhere/other')}\n`);
  });

  it('is hidden beside the app’s own, where only apps are, and inside it', async () => {
    const files = [secret('apps/other'), secret('apps/third'), secret('apps/shop/nested')];
    configure('other', 'apps/other');
    configure('third', 'apps/third');
    configure('nested', 'apps/shop/nested');
    await app.start();
    for (const file of files) expect(await open(file)).toMatchObject({ result: 'ENOENT' });
    expect(await open(app.probe)).toMatchObject({ result: 'ok' });
    const plan = await runMetactl(['plan', 'shop'], { root: scratch.root });
    expect(plan.stdout).toContain(`tmpfs        ${join(scratch.root, 'apps')} `);
  });

  it('is hidden around the app’s own, and where a symbolic link leads', async () => {
    const around = secret('apps');
    const linked = secret('elsewhere/real');
    symlinkSync(join(scratch.root, 'elsewhere/real'), join(scratch.root, 'link'));
    configure('around', 'apps');
    configure('linked', 'link');
    await app.start();
    expect(await open(around)).toMatchObject({ result: 'ENOENT' });
    expect(await open(linked)).toMatchObject({ result: 'ENOENT' });
    expect(await open(join(scratch.root, 'link/secret'))).toMatchObject({ result: 'ENOENT' });
    expect(await open(app.probe)).toMatchObject({ result: 'ok' });
  });

  it('is not shown by a link in the place of the app’s own', async () => {
    const file = secret('elsewhere/other');
    configure('other', 'elsewhere/other');
    const link = join(scratch.root, 'developers/link');
    mkdirSync(dirname(link));
    chownSync(dirname(link), 1000, 1000);
    symlinkSync(join(scratch.root, 'elsewhere/other'), link);
    configure('dev', 'developers/link');
    const outcome = await runMetactl(['exec', 'dev', '--fresh', '--', 'cat', file], { root: scratch.root });
    expect(outcome).toMatchObject({ status: 78, stdout: '' });
    expect(outcome.stderr).toContain(
      `the app directory ${link} leads to ${scratch.root}/elsewhere/other, and that is ${scratch.root}/elsewhere/other, the directory of another app`,
    );
  });

  it('can be a link of root’s, and neither stops nor shrinks by somebody’s link into it', async () => {
    const file = secret('elsewhere/other');
    writeFileSync(join(scratch.root, 'elsewhere/other/main'), '#!/bin/sh\ncat secret\n', { mode: 0o755 });
    symlinkSync(join(scratch.root, 'elsewhere/other'), join(scratch.root, 'current'));
    configure('other', 'current');
    mkdirSync(join(scratch.root, 'developers'));
    chownSync(join(scratch.root, 'developers'), 1000, 1000);
    for (const [name, target] of [
      ['whole', 'elsewhere/other'],
      ['part', 'elsewhere/other/lib'],
    ] as const) {
      mkdirSync(join(scratch.root, target), { recursive: true });
      symlinkSync(join(scratch.root, target), join(scratch.root, 'developers', name));
      configure(name, `developers/${name}`);
    }
    writeFileSync(join(scratch.root, 'elsewhere/other/lib/code'), 'is there\n');
    const { root } = scratch;
    expect(await runMetactl(['run', 'other'], { root })).toMatchObject({ status: 0, stdout: 'of another app\n' });
    const read = ['exec', 'other', '--fresh', '--', 'cat', join(root, 'current/lib/code'), file];
    expect(await runMetactl(read, { root })).toMatchObject({ status: 0, stdout: 'is there\nof another app\n' });
    expect(await runMetactl(['run', 'part'], { root })).toMatchObject({ status: 78 });
  });

  it('is shown by [sandbox.mounts] of the administrator, and not by .metactl, however it is trusted', async () => {
    const [given, nested] = [secret('elsewhere/other'), secret('apps/shop/nested')];
    mkdirSync(join(app.directory, 'place'));
    configure('other', 'elsewhere/other');
    configure('nested', 'apps/shop/nested');
    const application = `[sandbox.mounts]\n${app.directory}/place = from:${app.directory}/nested\n`;
    app.configure({
      node: `[sandbox.mounts]\n${scratch.root}/elsewhere = ro\n[trust]\napplication = full\n`,
      application,
    });
    await app.start();
    expect(await open(given)).toMatchObject({ result: 'ok' });
    expect(await open(nested)).toMatchObject({ result: 'ENOENT' });
    expect(await open(join(app.directory, 'place/secret'))).toMatchObject({ result: 'ENOENT' });
  });

  it('that is replaced is hidden at the next start, also from prepared mounts', async () => {
    const file = secret('elsewhere/other');
    configure('other', 'elsewhere/other');
    const seen = `cat ${file} || echo hidden`;
    const more =
      'echo x >> "$STATE_DIRECTORY/starts"\nsleep 0.5\n[ "$(wc -l < "$STATE_DIRECTORY/starts")" -lt 4 ] || echo end';
    scratch.appDirectory('shop', { 'main.sh': `#!/bin/sh\n${seen}\n${more}\n` });
    const keys = 'command = ./main.sh\nrestart = always\nrestart-sec = 10ms\nrestart-max-delay-sec = 20ms\n';
    scratch.node('shop', `[app]\ndirectory = ${app.directory}\n[daemon.main]\n${keys}`);
    const running = app.launch();
    await running.waitFor(/hidden\n(.*\n)*hidden/);
    renameSync(join(scratch.root, 'elsewhere/other'), join(scratch.root, 'elsewhere/old'));
    secret('elsewhere/other');
    await running.waitFor(/end/);
    await running.stop('SIGTERM');
    expect(running.output.stdout).not.toContain('of another app');
  });

  it('that can’t be found out is a warning, and no reason not to start', async () => {
    const file = scratch.node('broken', '[app]\ndirectory /srv\n');
    configure('other', 'elsewhere/other');
    const readable = secret('elsewhere/other');
    const running = await app.start();
    expect(running.output.stderr).toBe(
      `metactl: warning: ${file}: found \`directory\` without a =, expected a section header or key = value; ` +
        'the directory of broken is not known and so not hidden from others (see metactl check broken)\n',
    );
    expect(await open(readable)).toMatchObject({ result: 'ENOENT' });
    rmSync(file);
  });
});
