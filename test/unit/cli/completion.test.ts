import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { complete, type Sources } from '../../../src/cli/complete.ts';
import { scriptFor } from '../../../src/cli/completion.ts';
import { VERBS } from '../../../src/cli/verbs.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';

const sources: Sources = {
  apps: () => ['shop', 'shed', 'web1'],
  daemons: (app) => (app === 'shop' ? ['main', 'mail'] : []),
  keys: () => ['memory-max', 'nice'],
};

describe('words', () => {
  it.each<[string, readonly string[]]>([
    ['', [...Object.keys(VERBS), 'help'].sort()],
    ['pl', ['plan']],
    ['--r', ['--root']],
    ['--root ', []],
    ['--root /srv/x pl', ['plan']],
    ['run ', ['shed', 'shop', 'web1']],
    ['run sho', ['shop']],
    ['--root /srv/x run sho', ['shop']],
    ['run shop ', ['mail', 'main']],
    ['run shop main ', []],
    ['run --no', ['--no-sandbox']],
    ['run --j', ['--json']],
    ['run --no-sandbox sh', ['shed', 'shop']],
    ['exec shop --', ['--as-root', '--debug', '--fresh', '--help', '--json', '--root']],
    ['exec shop -- sh', []],
    ['exec -- s', []],
    ['config shop mem', ['memory-max']],
    ['config shop nice mem', ['memory-max']],
    ['tcpdump s', ['shed', 'shop']],
    ['tcpdump shop s', []],
    ['help run', ['run']],
    ['completion z', ['zsh']],
    ['completion --', ['--debug', '--help', '--json', '--root']],
    ['nosuch ', []],
    ['constructor ', []],
  ])('metactl %s', async (line, expected) => {
    expect(await complete(line.split(' '), sources)).toEqual(expected);
  });
});

describe('shells', () => {
  let root: string;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'metactl-completion-'));
    mkdirSync(join(root, 'etc/metactl/nodes'), { recursive: true });
    writeFileSync(
      join(root, 'etc/metactl/nodes/shop.conf'),
      '[daemon.main]\ncommand = ./x\n[daemon.work]\ncommand = ./y\n',
    );
    writeFileSync(join(root, 'etc/metactl/nodes/shed.conf'), '');
    writeFileSync(
      join(root, 'metactl'),
      `#!/bin/sh\nexec "${process.execPath}" "${REPOSITORY}/bin/metactl.cjs" "$@"\n`,
    );
    chmodSync(join(root, 'metactl'), 0o755);
    // Brings the bundle up to date.
    await runMetactl(['--version']);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const run = (shell: string, args: readonly string[]) => {
    const env = { ...process.env, METACTL_ROOT: root, PATH: `${root}:${process.env.PATH}` };
    return spawnSync(shell, args, { encoding: 'utf8', env });
  };
  const bash = (...words: string[]) => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const script = `eval "$(metactl completion bash)"; COMP_WORDS=(metactl ${line}); COMP_CWORD=${words.length}; _metactl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = run('bash', ['-c', script]);
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  };

  it('bash completes verbs, apps, daemons and options', () => {
    expect(bash('pl')).toEqual(['plan']);
    expect(bash('run', '')).toEqual(['shed', 'shop']);
    expect(bash('run', 'shop', '')).toEqual(['main', 'work']);
    expect(bash('run', 'shop', '--no')).toEqual(['--no-sandbox']);
    expect(bash('--root', '/nonexistent', 'run', '')).toEqual(['']);
  });

  it('bash’s script registers itself', () => {
    expect(run('bash', ['-c', 'eval "$(metactl completion bash)"; complete -p metactl']).stdout).toBe(
      'complete -o default -F _metactl metactl\n',
    );
  });

  it('says which shells there are', () => {
    expect(() => scriptFor('tcsh')).toThrow(
      expect.objectContaining({
        message: 'no completion is made for `tcsh`',
        hint: 'one of bash zsh fish',
        exitStatus: 2,
      }),
    );
    expect(() => scriptFor(undefined)).toThrow(expect.objectContaining({ message: 'completion needs a shell' }));
  });

  it('prints a script for each shell', () => {
    expect(scriptFor('zsh')).toMatch(/^#compdef metactl\n/);
    expect(scriptFor('fish')).toContain("-f -a '(__metactl_words)'");
  });
});
