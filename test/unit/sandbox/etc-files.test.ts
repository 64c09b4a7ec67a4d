import { describe, expect, it } from 'vitest';
import { type EtcInput, etcFiles } from '../../../src/sandbox/etc-files.ts';

const files = (changes: Partial<EtcInput> = {}) =>
  etcFiles({
    app: 'web',
    addresses: ['192.0.2.7'],
    users: [{ name: 'web', uid: 70001, gid: 70001 }],
    home: '/var/lib/metactl/apps/web/state',
    resolvConf: 'nameserver 192.0.2.53\nsearch example.org\n',
    upstreamResolvConf: '',
    ...changes,
  });

describe('generated files of /etc', () => {
  it('names the app’s user after the app, with its state as home', () => {
    expect(files()['/etc/passwd']).toBe(
      'root:x:0:0:root:/root:/bin/sh\n' +
        'web:x:70001:70001::/var/lib/metactl/apps/web/state:/bin/sh\n' +
        'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n',
    );
    expect(files()['/etc/group']).toContain('web:x:70001:\n');
  });

  it('makes the app’s name its address', () => {
    expect(files()['/etc/hosts']).toContain('192.0.2.7 web\n');
    expect(files({ addresses: [] })['/etc/hosts']).toContain('127.0.0.1 web\n');
    const both = files({ addresses: ['192.0.2.7', '2001:db8::7'] })['/etc/hosts'];
    expect(both).toContain('192.0.2.7 web\n2001:db8::7 web\n');
    expect(files()['/etc/hostname']).toBe('web\n');
  });

  it('keeps a resolver that can be reached', () => {
    expect(files()['/etc/resolv.conf']).toBe('nameserver 192.0.2.53\nsearch example.org\n');
  });

  it.each(['127.0.0.53', '::1', '127.1.2.3', '::ffff:127.0.0.1'])(
    'replaces a resolver on %s by the real upstream',
    (loopback) => {
      const text = files({
        resolvConf: `nameserver ${loopback}\nsearch example.org\n`,
        upstreamResolvConf: '# comment\nnameserver 192.0.2.1\nnameserver 127.0.0.1\n',
      })['/etc/resolv.conf'];
      expect(text).toBe('search example.org\nnameserver 192.0.2.1\n');
    },
  );

  it('says so where no resolver can be reached', () => {
    expect(files({ resolvConf: 'nameserver 127.0.0.1\n' })['/etc/resolv.conf']).toBe(
      '# metactl: the host names no resolver that can be reached from here\n',
    );
  });

  it('asks only files and DNS for names', () => {
    expect(files()['/etc/nsswitch.conf']).toContain('hosts: files dns\n');
    expect(files()['/etc/nsswitch.conf']).not.toMatch(/systemd|sss|ldap|myhostname/);
  });
});
