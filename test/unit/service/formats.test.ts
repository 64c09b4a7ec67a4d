import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KINDS, type Kind, managerOf } from '../../../src/service/index.ts';
import type { ServiceModel } from '../../../src/service/model.ts';
import { originOf } from '../../../src/service/service-file.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { thrown } from '../config/root.ts';
import { modelOf, SHOP, scratch } from './models.ts';
import { readUpstart } from './upstart-reader.ts';

/** A program that tells its arguments, each ended by a NUL, and gives up. */
function teller(): string {
  const path = join(scratch(), 'tell');
  writeFileSync(path, '#!/bin/sh\nprintf "%s\\0" "$@"\nexit 69\n', { mode: 0o755 });
  chmodSync(path, 0o755);
  return path;
}

/** The app with these words as the command line of its one service. */
function commanding(words: readonly string[]): ServiceModel {
  const model = modelOf('[daemon.web]\ncommand = /bin/web\n');
  return { ...model, services: model.services.map((one) => ({ ...one, command: words, reload: words })) };
}

function textOf(kind: Kind, model: ServiceModel, ending = ''): string {
  return managerOf(kind)
    .files(model)
    .find(({ name }) => name.endsWith(ending))!.text;
}

const told = (stdout: string) => stdout.split('\0').slice(0, -1);

/** Words that none of these formats may take for something of its own. */
const word = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.stringMatching(/^[ "'\\%$;{}a`!*?#<>&|()~=\t-]{1,10}$/),
  fc.constantFrom(
    '',
    ' ',
    '\\',
    '"',
    "'",
    "'\\''",
    '%i',
    '%%',
    '$HOME',
    '`id`',
    '$(id)',
    'end script',
    '*',
    '# x',
    '&amp;',
    '-->',
  ),
);
const words = fc.array(
  word.filter((text) => !/[\x00-\x08\x0a-\x1f\x7f\ufffe\uffff\p{Surrogate}]/u.test(text)),
  { minLength: 1, maxLength: 12 },
);

function roundTrip(read: (given: readonly string[], program: string) => readonly string[]): void {
  const program = teller();
  fc.assert(
    fc.property(words, (given) => {
      expect(read(given, program)).toEqual(given);
    }),
    { numRuns: 40 },
  );
}

describe('command lines come out of each format as they went in', () => {
  it('Upstart: its reader, then what it starts', () => {
    roundTrip((given, program) => {
      const exec = readUpstart(textOf('upstart', commanding([program, ...given]))).get('exec')!;
      // job_process.c: a shell only where there is something for it.
      const shell = /[~`!$^&*()=|\\{}[\];"'<>?]/.test(exec);
      const [file, args] = shell ? ['/bin/sh', ['-e', '-c', `exec ${exec}`]] : [program, exec.split(' ').slice(1)];
      return told(spawnSync(file, args, { encoding: 'utf8' }).stdout);
    });
  });

  it('Upstart 0.6.5: a script', () => {
    roundTrip((given, program) => {
      const script = readUpstart(textOf('upstart-0.6', commanding([program, ...given]))).get('script')!;
      expect(script).toContain('exec >>/var/log/metactl.shop.web.log 2>&1\n');
      return told(spawnSync('/bin/sh', ['-e', '-c', script.replace(/exec >>.*\n/, '')], { encoding: 'utf8' }).stdout);
    });
  });

  it('SMF: XML, its tokens, its shell, ours', () => {
    roundTrip((given, program) => {
      const file = join(scratch(), 'x.xml');
      writeFileSync(file, textOf('smf', commanding([program, ...given])));
      const path = 'string(//exec_method[@name="start"]/@exec)';
      const exec = spawnSync('xmllint', ['--nonet', '--xpath', path, file], { encoding: 'utf8' }).stdout.slice(0, -1);
      expect(exec).toMatch(/^\/sbin\/sh -c /);
      expect(exec.replaceAll('%%', '')).not.toContain('%');
      const line = exec.replace(/^\/sbin/, '/bin').replaceAll('%%', '%');
      const { stdout, status } = spawnSync('/bin/sh', ['-c', `exec ${line}`], { encoding: 'utf8' });
      // svc.startd takes only this for an end.
      expect(status).toBe(96);
      return told(stdout);
    });
  });

  it('OpenRC: a script that is read, split and evaluated', () => {
    const bin = scratch();
    writeFileSync(
      join(bin, 'supervise-daemon'),
      '#!/bin/sh\nwhile test "$1" != --; do shift; done\nshift\nexec /bin/sh "$@"\n',
    );
    chmodSync(join(bin, 'supervise-daemon'), 0o755);
    writeFileSync(join(bin, 'rc-service'), '#!/bin/sh\necho "$*" >&2\nkill "$PPID"\n', { mode: 0o755 });
    roundTrip((given, program) => {
      const file = join(bin, 'script');
      writeFileSync(file, textOf('openrc', commanding([program, ...given])));
      // As supervise_start() of OpenRC 0.45 has it.
      const start = `. ${file}; eval supervise-daemon "\${RC_SVCNAME}" --start $command -- $command_args $command_args_foreground`;
      const { stdout, stderr } = spawnSync('/bin/sh', ['-c', start], {
        encoding: 'utf8',
        env: { PATH: `${bin}:${process.env.PATH}`, RC_SVCNAME: 'metactl.shop.web' },
      });
      expect(stderr).toBe('metactl.shop.web stop\n');
      return told(stdout);
    });
  });

  it.each(['runit', 's6'] as const)('%s: a script', (kind) => {
    roundTrip((given, program) => {
      const directory = scratch();
      const script = join(directory, 'run');
      writeFileSync(script, textOf(kind, commanding([program, ...given]), 'web/run'));
      return told(spawnSync('/bin/sh', [script], { cwd: directory, encoding: 'utf8' }).stdout);
    });
  });
});

it.each(KINDS.filter((kind) => kind !== 'systemd'))('%s refuses what it can not hold', (kind) => {
  for (const bad of ['/srv/a\nb', '/srv/a\0', '/srv/\x1b']) {
    const error = thrown(() => managerOf(kind).files(commanding([bad])));
    expect([error.code, error.exitStatus, error.hint]).toEqual(['METACTL_BAD_PATH', 78, 'use a path without it']);
  }
});

it.each(KINDS)('%s: files are found again, and known as ours', (kind) => {
  const manager = managerOf(kind);
  for (const [model, daemons] of [
    [modelOf(SHOP), ['db', 'web']],
    [modelOf(`${SHOP}[service]\nunit = app\n`), [undefined]],
    [{ ...modelOf(SHOP), nodeId: '1a2b' }, ['db', 'web']],
  ] as const) {
    const files = manager.files(model);
    const names = [
      ...files.map(({ name }) => name),
      'metactl.shop2.web',
      'metactl.shop2.web.conf',
      'metactl.shopx.xml',
    ];
    const found = manager.find(names, 'shop', model.nodeId, (name) => files.find((one) => one.name === name)?.text);
    expect(found.files).toEqual(files.map(({ name }) => name).sort());
    expect(found.units.map(({ daemon }) => daemon).sort()).toEqual([...daemons].sort());
    expect(files.map(({ text }) => originOf(text))).toEqual(files.map(() => 'ours'));
    expect(manager.find(names, 'shop', 'ffff').files).toEqual([]);
  }
});

describe('SMF', () => {
  it.each([SHOP, `${SHOP}[service]\nunit = app\n`])('makes manifests that are valid by the DTD', (config) => {
    const file = join(scratch(), 'shop.xml');
    const dtd = join(REPOSITORY, 'test/fixtures/smf/service_bundle.dtd.1');
    const text = textOf('smf', modelOf(config, { app: 'sh--op' }));
    writeFileSync(file, text.replace('/usr/share/lib/xml/dtd/service_bundle.dtd.1', dtd));
    const { stderr, status } = spawnSync('xmllint', ['--nonet', '--noout', '--valid', file], { encoding: 'utf8' });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    // svccfg rejects a document without exactly this.
    expect(text).toContain('\n<!DOCTYPE service_bundle SYSTEM "/usr/share/lib/xml/dtd/service_bundle.dtd.1">\n');
  });
});

it.each(['openrc', 'runit', 's6'] as const)('%s: scripts are fine for sh -n', (kind) => {
  for (const { name, text, mode } of managerOf(kind).files(modelOf(SHOP))) {
    const file = join(scratch(), name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    expect(spawnSync('/bin/sh', ['-n', file], { encoding: 'utf8' }).stderr).toBe('');
    expect(mode).toBe(0o755);
  }
});
