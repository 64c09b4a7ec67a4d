import { chmodSync, chownSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectApp } from '../../../src/config/load.ts';
import { readSecretFile } from '../../../src/config/read-file.ts';
import { MetactlError } from '../../../src/util/error.ts';
import { pathsFor } from '../../../src/util/paths.ts';
import { appRoot, fakePlatforms, inspect, put, scratchRoot } from './root.ts';

const env = (files: Parameters<typeof inspect>[0]) => {
  const { config, lines } = inspect(files);
  expect(lines).toEqual([]);
  return Object.fromEntries(config.section('env').map(({ key, text }) => [key, text]));
};

describe('%(NAME)', () => {
  it('is a key of [env] of any layer', () =>
    expect(env({ application: '[env]\nA = a%(B)c\nB = b\n', node: '[env]\nB = x\n' })).toEqual({ A: 'axc', B: 'x' }));

  it('is replaced once: what comes in is not looked at again', () =>
    expect(env({ node: '[env]\nA = %(B)\nB = %%(C)\n' })).toEqual({ A: '%(C)', B: '%(C)' }));

  it('leaves % before anything else alone', () =>
    expect(env({ node: '[env]\nA = %p +%F 5% %%\n' })).toEqual({ A: '%p +%F 5% %' }));

  it('is any key by section:key', () =>
    expect(
      env({
        application: '[daemon.web]\nplatform = jetty6\nnice = 3\n',
        node: '[env]\nA = %(daemon.web:nice) %(daemon.web:http.port) %(daemon.web:restart) %(env:B)\nB = b\n',
      }),
    ).toEqual({ A: '3 80 on-failure b', B: 'b' }));

  it('is a label of [crontab] with spaces', () =>
    expect(env({ node: '[env]\nA = %(crontab:a b)\n[crontab]\na b = @daily x\n' })).toEqual({ A: '@daily x' }));

  it('is a built-in', () => {
    const { config, lines, root } = inspect({
      application:
        '[env]\nA = %(app) %(node) %(site) %(release) %(ip) %(daemon)\nB = %(app_dir)\nC = %(state_dir)\nD = %(log_dir)\n[daemon.web]\n',
      metactl: '[node]\nname = n1\nsite = devel\n',
    });
    expect(lines).toEqual([]);
    const home = `${root}/var/lib/metactl/apps/myapp`;
    expect(config.environment('web')).toEqual({
      A: 'myapp n1 devel r1 %(ip) web',
      B: `${home}/releases/r1`,
      C: `${home}/state`,
      D: `${home}/state/log`,
    });
    expect(config.setting('env', 'A')!.text).toBe('myapp n1 devel r1 %(ip) %(daemon)');
  });

  it('is the built-in where a variable has its name, and that is told', () => {
    const { config } = inspect({ node: '[env]\napp = x\nA = %(app) %(env:app)\n' });
    expect(config.setting('env', 'A')!.text).toBe('myapp x');
    expect(config.warnings.map(({ message, hint }) => `${message}; ${hint}`)).toEqual([
      'found the variable `app`, which has the name of a built-in: %(app) is the built-in; write %(env:app) for the variable',
    ]);
  });

  it('takes [env.DAEMON] of any layer before [env] of any layer', () => {
    const { config, lines } = inspect({
      application:
        '[env]\nURL = http://x:%(PORT)/\n[env.web]\nPORT = 1\n[daemon.web]\ncommand = x %(URL)\n[daemon.db]\n',
      node: '[env]\nPORT = 2\n',
    });
    expect(lines).toEqual([]);
    expect(config.environment('web')).toEqual({ URL: 'http://x:1/', PORT: '1' });
    expect(config.environment('db')).toEqual({ URL: 'http://x:2/', PORT: '2' });
    expect(config.words('daemon.web', 'command')).toEqual(['x', 'http://x:1/']);
    expect(config.setting('env', 'URL')!.text).toBe('http://x:2/');
    expect(config.environmentSettings('web').map(({ section, key }) => `${section}:${key}`)).toEqual([
      'env:URL',
      'env.web:PORT',
    ]);
  });

  it('may be a name that only the daemons have', () => {
    const application = '[env]\nURL = x:%(PORT)\n[env.a]\nPORT = 1\n[env.b]\nPORT = 2\n[daemon.a]\n[daemon.b]\n';
    const { config, lines } = inspect({ application });
    expect(lines).toEqual([]);
    expect(config.environment('b').URL).toBe('x:2');
    expect(config.setting('env', 'URL')!.text).toBe('x:%(PORT)');
    expect(inspect({ application: `${application}[daemon.c]\n` }).lines).toEqual([
      '.metactl:2:7: found %(PORT), expected a key of [env], a built-in or section:key',
    ]);
  });

  it('is split into words after it was replaced', () => {
    const { config } = inspect({ node: '[env]\nO = -a "-b c"\n[daemon.web]\ncommand = x %(O) "%(O)"\n' });
    expect(config.words('daemon.web', 'command')).toEqual(['x', '-a', '-b c', '-a -b', 'c']);
  });

  it('keeps secrets secret through any number of values', () => {
    const { config } = inspect({
      node: '[env]\nDB_PASSWORD = hunter2\nA = u:%(DB_PASSWORD)\nB = x %(A) y\n[daemon.web]\ncommand = run %(B)\n',
    });
    expect(config.setting('env', 'B')).toMatchObject({ text: 'x u:hunter2 y', masked: 'x u:*** y', secret: true });
    expect(config.setting('daemon.web', 'command')).toMatchObject({ masked: 'run x u:*** y', secret: true });
    expect(config.warnings.map(({ message }) => message)).toEqual([
      'found the secret %(B) in `command`: every user of this server can read command lines',
    ]);
  });
});

describe('faults', () => {
  it.each([
    ['[env]\nA = %(B\n', ':2:5: found `%(B`, expected a ) that closes it; write %% for a plain %'],
    [
      '[env]\nA = %(PROT)\nPORT = 1\n',
      ':2:5: found %(PROT), expected a key of [env], a built-in or section:key; did you mean `PORT`?',
    ],
    ['[env]\nA = %()\n', ':2:5: found %(), expected a key of [env], a built-in or section:key'],
    ['[env]\nA = %(__proto__)\n', ':2:5: found %(__proto__), expected a key of [env], a built-in or section:key'],
    [
      '[env]\nA = %(constructor:name)\n',
      ':2:5: found %(constructor:name), expected a key of [env], a built-in or section:key',
    ],
    ['[env]\nA = %(A)\n', ':2:5: found a value that contains itself: [env] A (F:2) → [env] A (F:2)'],
    ['[env]\nA = %(env:A)\n', ':2:5: found a value that contains itself: [env] A (F:2) → [env] A (F:2)'],
    [
      '[env]\nA = %(B)\nB = %(C)\nC = %(B)\n',
      ':3:5: found a value that contains itself: [env] B (F:3) → [env] C (F:4) → [env] B (F:3)',
    ],
    [
      '[daemon.web]\ncommand = %(A)\n[env]\nA = %(B)\nB = %(NO)\n',
      ':5:5: found %(NO), expected a key of [env], a built-in or section:key: [daemon.web] command (F:2) → [env] A (F:4) → [env] B (F:5) → %(NO)',
    ],
    ['[crontab]\na = @daily %(daemon)\n', ':2:5: found %(daemon) in [crontab], which belongs to no daemon'],
    [
      '[sandbox.net]\nmode = none\n[env]\nA = %(ip)\n',
      ':4:5: found %(ip), but this app has no address of its own: [sandbox.net] mode = none',
    ],
    [
      '[sandbox]\nenabled = no\n[env]\nA = %(ip)\n',
      ':4:5: found %(ip), but this app has no address of its own: [sandbox] enabled = no',
    ],
    ['[env]\nA = %(file:etc/x)\n', ':2:5: found %(file:etc/x), but it is no absolute path without . and ..'],
    [
      '[env]\nA = %(file:/etc/../etc/x)\n',
      ':2:5: found %(file:/etc/../etc/x), but it is no absolute path without . and ..',
    ],
  ])('%j', (node, problem) =>
    expect(
      inspect({ node }).lines.map((line) =>
        line.replace('/etc/metactl/nodes/myapp.conf', '').replaceAll('/etc/metactl/nodes/myapp.conf', 'F'),
      ),
    ).toEqual([problem]),
  );

  it('is told once, however many values use it', () =>
    expect(inspect({ node: '[env]\nA = %(NO)\nB = %(A)\nC = %(A)%(B)\n[daemon.web]\n' }).lines).toHaveLength(1));

  it('too deep', () => {
    const chain = Array.from({ length: 60 }, (_, i) => `A${i} = %(A${i + 1})`).join('\n');
    const { lines } = inspect({ node: `[env]\n${chain}\nA60 = x\n` });
    expect(lines[0]).toContain('found values nested in each other more than 32 times');
    const short = Array.from({ length: 30 }, (_, i) => `A${i} = %(A${i + 1})`).join('\n');
    expect(env({ node: `[env]\n${short}\nA30 = x\n` }).A0).toBe('x');
  });

  it('too long, doubling itself', () => {
    const doubling = Array.from({ length: 30 }, (_, i) => `A${i} = %(A${i + 1})%(A${i + 1})`).join('\n');
    const start = performance.now();
    const { lines } = inspect({ node: `[env]\n${doubling}\nA30 = xxxxxxxxxxxxxxxx\n` });
    expect(lines).toEqual([
      expect.stringMatching(
        /found a value that becomes longer than 131071 characters \(%\(A\d+\) from .*\), expected a shorter one/,
      ),
    ]);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('too long by a value of a lower layer, where it is told', () => {
    const application = `[env]\nLONG = ${'x'.repeat(70_000)}\n`;
    expect(inspect({ application, node: '[env]\nA = %(LONG)%(LONG)\n' }).lines).toEqual([
      '.metactl:2:8: found a value that makes [env] A (/etc/metactl/nodes/myapp.conf:2) longer than 131071 characters, expected a shorter one',
    ]);
    // Also where it comes by an administrator's own.
    const node = '[env]\nB = b%(LONG)\nA = %(B)%(B)\n';
    expect(inspect({ application, node }).lines).toEqual([
      '.metactl:2:8: found a value that makes [env] A (/etc/metactl/nodes/myapp.conf:3) longer than 131071 characters, expected a shorter one',
    ]);
  });

  it('too long by itself, whatever a lower layer adds', () => {
    const application = '[env]\nSHORT = x\n';
    const node = `[env]\nA = %(SHORT)${'x'.repeat(70_000)}\nB = %(A)%(A)\n`;
    expect(inspect({ application, node }).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf:3:5: found a value that becomes longer than 131071 characters (%(A) from /etc/metactl/nodes/myapp.conf:2), expected a shorter one',
    ]);
  });

  it('too much in all', () => {
    const many = Array.from({ length: 400 }, (_, i) => `A${i} = %(B)`).join('\n');
    const { lines } = inspect({ node: `[env]\nB = ${'x'.repeat(100_000)}\n${many}\n` });
    expect(lines.length).toBeGreaterThan(100);
  });
});

describe('the address', () => {
  it('is bound late', () => {
    const { config } = inspect({ application: '[env]\nH = http://%(ip)/\n[daemon.web]\ncommand = x --bind=%(ip)\n' });
    expect(config.words('daemon.web', 'command')).toEqual(['x', '--bind=%(ip)']);
    expect(config.setting('daemon.web', 'command')!.chain).toEqual([{ name: 'ip', text: '%(ip)', secret: false }]);
    const bound = config.withAddress('10.4.0.7');
    expect(bound.words('daemon.web', 'command')).toEqual(['x', '--bind=10.4.0.7']);
    expect(bound.environment('web')).toEqual({ H: 'http://10.4.0.7/' });
    expect(config.environment('web')).toEqual({ H: 'http://%(ip)/' });
    expect(config.withAddress(undefined)).toBe(config);
  });

  it('has nothing worked out again where no value names it', () => {
    const plain = inspect({ application: '[env]\nH = http://%(app)/\n[daemon.web]\ncommand = x %(H)\n' }).config;
    expect(plain.withAddress('10.4.0.7', 'fd00::7')).toBe(plain);
    // By a name that stands for it, too, and only in one of several daemons.
    const text = '[env.jobs]\nH = %(ip6)\n[daemon.web]\ncommand = x\n[daemon.jobs]\ncommand = x %(H)\n';
    const { config } = inspect({ application: text });
    expect(config.withAddress('10.4.0.7', 'fd00::7').words('daemon.jobs', 'command')).toEqual(['x', 'fd00::7']);
  });

  it('does not make a number', () =>
    expect(inspect({ node: '[daemon.web]\nnice = %(ip)\n' }).lines).toEqual([
      '/etc/metactl/nodes/myapp.conf:2:8: found `%(ip)`, expected a whole number from -20 to 19',
    ]));
});

describe('%(file:)', () => {
  it('is the content of a file of root, always secret', () => {
    const root = scratchRoot();
    const file = put(root, 'secrets/db', 'hunter2\n', 0o600);
    put(root, 'etc/metactl/nodes/myapp.conf', `[env]\nA = x%(file:${file})y\n`);
    const { config, problems } = inspectApp(pathsFor(root), 'myapp', fakePlatforms);
    expect(problems).toEqual([]);
    expect(config.setting('env', 'A')).toMatchObject({ text: 'xhunter2y', masked: 'x***y', secret: true });
  });

  it.each([
    ['others can write', 0o606],
    ['the group can write', 0o660],
  ])('is refused where %s it', (_who, mode) => {
    const file = put(scratchRoot(), 'secret', 'x', mode);
    expect(readSecretFile(file)).toEqual({ why: 'others than root can write it' });
  });

  it('is refused where it is somebody else’s', () => {
    const file = put(scratchRoot(), 'secret', 'x');
    // The scratch root belongs to whoever runs the tests; here that is not root.
    expect(readSecretFile(file, [4_000_000])).toEqual({ why: '/ does not belong to root' });
    expect(readSecretFile('/etc/hostname', [0])).toEqual({ text: expect.any(String) });
  });

  it('is refused where the file alone is somebody else’s', () => {
    const file = put(scratchRoot(), 'secret', 'x');
    // Only root can give a file away; without root the rule is the same as for directories, tested above.
    if (process.geteuid!() === 0) chownSync(file, 12345, 12345);
    const uids = process.geteuid!() === 0 ? [0] : [4_000_000];
    expect(readSecretFile(file, uids)).toEqual({
      why: process.geteuid!() === 0 ? 'it does not belong to root' : '/ does not belong to root',
    });
  });

  it('is refused below a directory that others can write', () => {
    const root = scratchRoot();
    const file = put(root, 'wide/secret', 'x');
    expect(readSecretFile(file)).toEqual({ text: 'x' });
    chmodSync(join(root, 'wide'), 0o777);
    expect(readSecretFile(file)).toEqual({ why: `others than root can write in ${root}/wide` });
    // Of a sticky directory nobody else can take a file away.
    chmodSync(join(root, 'wide'), 0o1777);
    expect(readSecretFile(file)).toEqual({ text: 'x' });
  });

  it('is refused through a symbolic link, at the end or on the way', () => {
    const root = scratchRoot();
    put(root, 'real/secret', 'x');
    symlinkSync('secret', join(root, 'real/link'));
    symlinkSync('real', join(root, 'way'));
    expect(readSecretFile(join(root, 'real/secret'))).toEqual({ text: 'x' });
    expect(readSecretFile(join(root, 'real/link'))).toEqual({
      why: 'it is no regular file (symbolic links are not followed)',
    });
    expect(readSecretFile(join(root, 'way/secret'))).toEqual({ why: 'a symbolic link or a file is on the way' });
  });

  it.each([
    ['a directory', (root: string) => root, 'it is no regular file (symbolic links are not followed)'],
    ['not there', (root: string) => join(root, 'no'), "it can't be read (ENOENT)"],
    ['too long', (root: string) => put(root, 'long', 'x'.repeat(65_537)), 'it is longer than 65536 bytes'],
    ['binary', (root: string) => put(root, 'binary', Buffer.from([0x61, 0])), 'it is no UTF-8 text'],
    ['a device', () => '/dev/null', 'it is no regular file (symbolic links are not followed)'],
  ])('is refused where it is %s', (_what, make, why) => expect(readSecretFile(make(scratchRoot()))).toEqual({ why }));
});

describe('for any values', () => {
  const piece = fc.constantFrom(
    '%(A)',
    '%(B)',
    '%(C)',
    '%(D)',
    '%(env:A)',
    '%(daemon.web:command)',
    '%(',
    ')',
    '%',
    '%%',
    '"',
    "'",
    'x',
    ' ',
    '%(ip)',
    '%(daemon)',
    '%(__proto__)',
    '%(file:/etc/hostname)',
  );
  const raw = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));

  it('only a MetactlError is thrown, nothing hangs, no prototype is reached', () => {
    const root = appRoot({});
    fc.assert(
      fc.property(fc.record({ A: raw, B: raw, C: raw, D: raw, command: raw }), fc.boolean(), (values, byNode) => {
        const text = `[env]\nA = ${values.A}\nB = ${values.B}\nC = ${values.C}\n[env.web]\nA = ${values.D}\n[daemon.web]\ncommand = ${values.command}\n`;
        put(root, 'var/lib/metactl/apps/myapp/releases/r1/.metactl', byNode ? '' : text);
        put(root, 'etc/metactl/nodes/myapp.conf', byNode ? text : '');
        const start = performance.now();
        try {
          const { config } = inspectApp(pathsFor(root), 'myapp', fakePlatforms);
          config.withAddress('10.0.0.1').environment('web');
        } catch (error) {
          expect(error).toBeInstanceOf(MetactlError);
        }
        expect(performance.now() - start).toBeLessThan(1000);
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('text without % stays as it is', () => {
    const root = appRoot({});
    const plain = fc.stringMatching(/^[A-Za-z0-9;#()./:@!-]{1,40}$/);
    fc.assert(
      fc.property(plain, (text) => {
        put(root, 'etc/metactl/nodes/myapp.conf', `[env]\nA = x${text}\nB = %(A)%(A)\n`);
        const { config } = inspectApp(pathsFor(root), 'myapp', fakePlatforms);
        expect(config.setting('env', 'A')!.text).toBe(`x${text}`);
        expect(config.setting('env', 'B')!.text).toBe(`x${text}x${text}`);
      }),
      { numRuns: 200 },
    );
  });
});
