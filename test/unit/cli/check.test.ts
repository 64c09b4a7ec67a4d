import { describe, expect, it } from 'vitest';
import { findingsText, register } from '../../../src/cli/check.ts';
import { checkApp, planOnHost, strayFiles } from '../../../src/cli/check-app.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { runVerb } from '../config/cli.ts';
import { appRoot, put, shorten } from '../config/root.ts';

const check = async (root: string, plan: () => Promise<readonly unknown[]> = async () => []) => {
  const findings = await checkApp(pathsFor(root), 'myapp', plan);
  return findingsText([findings], false)
    .split('\n')
    .slice(0, -1)
    .map((line) => shorten(line, root));
};

describe('checkApp', () => {
  it('has nothing to say about a good app', async () =>
    expect(await check(appRoot({ application: '[daemon.web]\ncommand = x\n' }))).toEqual(['myapp: ok']));

  it('tells the problems of all layers, what run would refuse, and notes', async () => {
    const root = appRoot({
      application: '[daemon.web]\nnice = x\n[crontab]\na = @daily x\n',
      site: '[hooks]\non-oom = /bin/x\n',
      node: '[snadbox]\n',
      metactl: '[node]\nnam = x\n',
    });
    expect(await check(root)).toEqual([
      'error: /etc/metactl/metactl.conf:2:1: found the key `nam`, expected a key of [node]; did you mean `name`?',
      "error: /etc/metactl/nodes/myapp.conf:1:2: found the section `[snadbox]`, expected a section of an app's configuration; did you mean `[sandbox]`?",
      'error: .metactl:2:8: found `x`, expected a whole number from -20 to 19',
      'error: /etc/metactl/site/myapp.conf:2:10: `[hooks] on-oom` = `/bin/x` is not in this version of metactl',
      'note: .metactl:4:5: `[crontab] a` = `@daily x` is not in this version of metactl',
      'myapp: 4 errors, 1 note',
    ]);
  });

  it('tells what no unit could be made of', async () => {
    const node = '[daemon.web]\ncommand = x\n[daemon.db]\ncommand = y\n[systemd.Install]\nAlias = x.service\n';
    expect(await check(appRoot({ application: '', node }))).toEqual([
      'error: /etc/metactl/nodes/myapp.conf:6:9: found the same Alias for several units, expected one with %N; write %N where the name of each unit is to be, or set `[service] unit = app`',
      'myapp: 1 error',
    ]);
  });

  it('tells what planning each daemon meets, once; what needs root is a note', async () => {
    const root = appRoot({ application: '[daemon.web]\ncommand = x\n[daemon.db]\ncommand = y\n' });
    const missing = new MetactlError('.metactl:3: the jar x.jar is not there', {
      code: 'METACTL_MISSING_FILE',
      hint: 'build it',
      exitStatus: 78,
    });
    const root77 = new MetactlError('this needs root', { code: 'METACTL_NEEDS_ROOT', exitStatus: 77 });
    expect(await check(root, async () => [missing, root77])).toEqual([
      'error: .metactl:3: the jar x.jar is not there; build it',
      'note: this needs root',
      'myapp: 1 error, 1 note',
    ]);
  });

  it('names the place of a section that lacks its command, also of an empty one', async () => {
    const root = appRoot({ application: '[daemon.web]\n', node: '[env]\nA = 1\n[daemon.db]\n[daemon.web]\n' });
    const findings = await checkApp(pathsFor(root), 'myapp', planOnHost(pathsFor(root), 'myapp'));
    expect(findings.errors.map(({ message }) => shorten(message, root))).toEqual([
      '/etc/metactl/nodes/myapp.conf:4: [daemon.web] has no `command`',
      '/etc/metactl/nodes/myapp.conf:3: [daemon.db] has no `command`',
    ]);
  });

  it('plans nothing while the files have problems', async () => {
    const root = appRoot({ application: '[daemon.web]\nnice = x\n' });
    expect(await check(root, async () => [new Error('planned')])).toHaveLength(2);
  });
});

describe('metactl check', () => {
  it('ends in status 78 where there are errors, else 0', async () => {
    const good = appRoot({ application: '[env]\nA = 1\n' });
    expect(await runVerb(register, good, 'check', 'myapp')).toEqual({
      stdout:
        'note: it has no daemon, so there is nothing to start yet; metactl edit myapp: give it a section such as [daemon.web] with a command\nmyapp: ok, 1 note\n',
      stderr: '',
      status: 0,
    });
    const bad = appRoot({ application: '[env\n' });
    const { stdout, status } = await runVerb(register, bad, 'check', 'myapp');
    expect(status).toBe(78);
    expect(shorten(stdout, bad)).toBe(
      'error: .metactl:1:1: found `[env`, expected a ] that closes the section header\nmyapp: 1 error\n',
    );
  });

  it('without an app checks all of them, metactl.conf once, and stray files', async () => {
    const root = appRoot({ application: '[env\n', metactl: '[node]\nnam = x\n' });
    put(root, 'etc/metactl/nodes/other.conf', '[env]\n');
    put(root, 'etc/metactl/nodes/My_App.conf', '[env]\n');
    const { stdout, status } = await runVerb(register, root, 'check');
    expect(shorten(stdout, root).split('\n')).toEqual([
      'error: /etc/metactl/metactl.conf:2:1: found the key `nam`, expected a key of [node]; did you mean `name`?',
      'error: /etc/metactl/nodes/My_App.conf: found the app name `My_App`, expected a lower-case letter, then up to 30 of a–z, 0–9 and -, not ending in -',
      'metactl.conf: 2 errors',
      'error: .metactl:1:1: found `[env`, expected a ] that closes the section header',
      'myapp: 1 error',
      'other: ok',
      '',
    ]);
    expect(status).toBe(78);
  });

  it('--json has a stable shape', async () => {
    const root = appRoot({ application: '[env\n' });
    const { stdout } = await runVerb(register, root, '--json', 'check', 'myapp');
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      checked: [
        {
          name: 'myapp',
          errors: [
            {
              message: 'found `[env`, expected a ] that closes the section header',
              file: `${root}/var/lib/metactl/apps/myapp/releases/r1/.metactl`,
              line: 1,
              column: 1,
            },
          ],
          notes: [],
        },
      ],
    });
  });

  it('knows which apps there are', async () => {
    await expect(runVerb(register, appRoot({}), 'check', 'nope')).rejects.toMatchObject({ exitStatus: 4 });
  });
});

it('strayFiles leaves the files of editors and of apps alone', () => {
  const root = appRoot({ node: '', defaults: '' });
  put(root, 'etc/metactl/nodes/.myapp.conf.swp', '');
  put(root, 'etc/metactl/nodes/.hidden.conf', '');
  put(root, 'etc/metactl/nodes/README', '');
  expect(strayFiles(pathsFor(root))).toEqual([]);
});
