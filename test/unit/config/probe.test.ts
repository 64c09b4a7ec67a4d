import { describe, expect, it } from 'vitest';
import { parseHealth, parseProbe } from '../../../src/config/probe.ts';

describe('parseProbe', () => {
  it('reads every kind', () => {
    expect(parseProbe('notify')).toEqual({ kind: 'notify' });
    expect(parseProbe('fd:3')).toEqual({ kind: 'fd', fd: 3 });
    expect(parseProbe('tcp:65535')).toEqual({ kind: 'tcp', port: 65_535 });
    expect(parseProbe('http:/a?b#c')).toEqual({ kind: 'http', port: undefined, path: '/a?b#c' });
    expect(parseProbe('http:8080/')).toEqual({ kind: 'http', port: 8080, path: '/' });
    expect(parseProbe('exec:/bin/true "a b"')).toEqual({ kind: 'exec', argv: ['/bin/true', 'a b'] });
    expect(parseProbe('log:a: b$')).toEqual({ kind: 'log', pattern: 'a: b$' });
  });

  it('refuses the rest', () => {
    const wrong = [
      '',
      'tcp',
      'notify:',
      'fd:2',
      'fd:1000',
      'tcp:0',
      'tcp:65536',
      'tcp:x',
      'http:8080',
      'http:0/',
      'http:/a b',
    ];
    for (const text of [...wrong, 'http:/\r\nHost: x', 'http:/ä', 'exec:', 'exec:"open', 'log:', 'ftp:21']) {
      expect(parseProbe(text), text).toBeUndefined();
    }
  });
});

describe('parseHealth', () => {
  it('takes what can be asked again and again', () => {
    expect(parseHealth('tcp:80')).toEqual({ kind: 'tcp', port: 80 });
    for (const text of ['notify', 'fd:3', 'log:x']) expect(parseHealth(text), text).toBeUndefined();
  });
});
