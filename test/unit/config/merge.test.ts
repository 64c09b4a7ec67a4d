import { describe, expect, it } from 'vitest';
import { inspect } from './root.ts';

describe('merging', () => {
  it('takes each key from the highest layer, and keeps what it replaced', () => {
    const { config, lines } = inspect({
      application: '[env]\nA = 1\nB = 1\nC = 1\nD = 1\n',
      defaults: '[env]\nB = 2\nC = 2\nD = 2\n',
      site: '[env]\nC = 3\nD = 3\n',
      node: '[env]\nD = 4\n',
    });
    expect(lines).toEqual([]);
    expect(config.section('env').map(({ key, text }) => `${key}=${text}`)).toEqual(['A=1', 'B=2', 'C=3', 'D=4']);
    expect(config.setting('env', 'D')!.overridden.map(({ raw, origin }) => [raw, origin.layer])).toEqual([
      ['3', 'site'],
      ['2', 'site'],
      ['1', 'application'],
    ]);
  });

  it('lets an empty value unset a key of a lower layer, platform defaults included', () => {
    const { config } = inspect({
      application: '[env]\nA = 1\nB = 1\n[daemon.web]\nplatform = jetty6\nhttp.port =\n',
      node: '[env]\nA =\nB = ""\n',
    });
    expect(config.setting('env', 'A')).toBeUndefined();
    expect(config.setting('env', 'B')!.text).toBe('');
    expect(config.setting('daemon.web', 'http.port')).toBeUndefined();
    expect(config.environment('web')).toEqual({ B: '' });
  });

  it('lets a higher layer set again what a lower one unset', () => {
    const { config } = inspect({ application: '[env]\nA = 1\n', site: '[env]\nA =\n', node: '[env]\nA = 3\n' });
    expect(config.setting('env', 'A')).toMatchObject({ text: '3', overridden: [] });
  });

  it('knows container and java.* by their present names', () => {
    const { config, lines } = inspect({
      application: '[daemon.web]\ncontainer = jvm\njava.heap.max = 1m\njava.properties.x = y\n',
      node: '[daemon.web]\njvm.heap.max = 2m\n',
    });
    expect(lines).toEqual([]);
    expect(config.section('daemon.web').map(({ key, text }) => `${key}=${text}`)).toEqual([
      'platform=jvm',
      'jvm.heap.max=2m',
      'jvm.properties.x=y',
    ]);
    expect(config.number('daemon.web', 'java.heap.max')).toBe(2 * 2 ** 20);
  });

  it('keeps the order and the repetitions of [systemd.*], and replaces them as a whole', () => {
    const { config } = inspect({
      site: '[systemd.Service]\nExecStartPre = a\nNice = 5\nExecStartPre = b\n',
      node: '[systemd.Service]\nExecStartPre = c\nExecStartPre =\nExecStartPre = d\nExecStartPre = e\n',
    });
    expect(config.section('systemd.Service').map(({ key, text }) => `${key}=${text}`)).toEqual([
      'Nice=5',
      'ExecStartPre=d',
      'ExecStartPre=e',
    ]);
  });

  it('shows platform defaults as such', () => {
    const { config } = inspect({
      application: '[daemon.web]\nplatform = jetty6\n',
      node: '[daemon.web]\nhttp.port = 81\n',
    });
    expect(config.setting('daemon.web', 'jetty.log')!.origin).toEqual({
      layer: 'platform',
      file: 'jetty6 default',
      line: 0,
      column: 0,
    });
    expect(config.setting('daemon.web', 'http.port')).toMatchObject({
      value: 81,
      overridden: [{ raw: '80', origin: { file: 'jetty6 default' } }],
    });
  });

  it.each([
    ['', 80],
    ['[sandbox.net]\nmode = none\n', 8080],
    ['[sandbox.net]\nmode = host\n', 8080],
    ['[sandbox.net]\nmode = routed\n', 80],
    ['[sandbox]\nenabled = no\n', 8080],
    ['[sandbox]\nenabled = "off"\n', 8080],
    ['[sandbox]\nenabled = yes\n', 80],
  ])('tells the platform whether the app has a network of its own: %j', (node, port) =>
    expect(
      inspect({ application: '[daemon.web]\nplatform = jetty6\n', node }).config.number('daemon.web', 'http.port'),
    ).toBe(port),
  );
});

describe('values', () => {
  it('have the defaults of the schema, which are not listed', () => {
    const { config } = inspect({ application: '[daemon.web]\n' });
    expect(config.text('daemon.web', 'platform')).toBe('exec');
    expect(config.text('daemon.web', 'restart')).toBe('on-failure');
    expect(config.number('daemon.web', 'restart-sec')).toBe(100);
    expect(config.number('daemon.web', 'umask')).toBe(0o22);
    expect(config.text('daemon.web', 'limit-nofile')).toBe('1024:524288');
    expect(config.text('daemon.web', 'limit-core')).toBeUndefined();
    expect(config.number('daemon.web', 'cpu-weight')).toBeUndefined();
    expect(config.flag('sandbox', 'enabled')).toBe(true);
    expect(config.text('nowhere', 'nothing')).toBeUndefined();
    expect(config.section('daemon.web')).toEqual([]);
  });

  it('are asked for by their type', () => {
    const { config } = inspect({ application: '[daemon.web]\ncommand = a "b c"\n' });
    expect(config.words('daemon.web', 'command')).toEqual(['a', 'b c']);
    expect(() => config.text('daemon.web', 'command')).toThrow(
      new TypeError('[daemon.web] command was asked for as text, which it is not'),
    );
    expect(() => config.flag('daemon.web', 'umask')).toThrow(TypeError);
    expect(() => config.number('daemon.web', 'restart')).toThrow(TypeError);
    expect(() => config.words('daemon.web', 'restart')).toThrow(TypeError);
  });

  it.each([
    ['"a b"', 'a b'],
    ["'a b'", 'a b'],
    ['"a \\"b\\" \\\\ \\n"', 'a "b" \\ \\n'],
    ['"a" "b"', '"a" "b"'],
    ["it's", "it's"],
    ['null', 'null'],
    ['true', 'true'],
    ['%p %% 100% +%F %%(A)', '%p % 100% +%F %(A)'],
  ])('text %s is %s', (raw, text) =>
    expect(inspect({ node: `[env]\nX = ${raw}\n` }).config.setting('env', 'X')!.text).toBe(text),
  );

  it.each([
    ['limit-memlock', '1m', '1048576'],
    ['limit-nofile', '100:200', '100:200'],
    ['limit-cpu', '2min', '120'],
    ['limit-rttime', '20ms', '20000'],
    ['kill-signal', 'TERM', 'SIGTERM'],
    ['kill-signal', 'SIGQUIT', 'SIGQUIT'],
    ['kill-signal', '15', '15'],
  ])('%s = %s is %s', (key, raw, text) =>
    expect(inspect({ node: `[daemon.web]\n${key} = ${raw}\n` }).config.text('daemon.web', key)).toBe(text),
  );
});
