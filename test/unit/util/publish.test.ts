import { describe, expect, it } from 'vitest';
import { clash, formatPublish, parsePublish, parsePublishList } from '../../../src/util/publish.ts';

describe('a published port', () => {
  it.each([
    ['8080:80', { protocol: 'tcp', hostPort: 8080, port: 80 }],
    ['53:5353/udp', { protocol: 'udp', hostPort: 53, port: 5353 }],
    ['192.0.2.1:443:8443', { protocol: 'tcp', host: '192.0.2.1', hostPort: 443, port: 8443 }],
    ['[2001:DB8:0::1]:443:8443', { protocol: 'tcp', host: '2001:db8::1', hostPort: 443, port: 8443 }],
  ])('is read from %s', (word, port) => {
    expect(parsePublish(word)).toEqual(port);
    expect(parsePublish(formatPublish(port as never))).toEqual(port);
  });

  it.each([
    '',
    '80',
    '0:80',
    '80:0',
    '65536:80',
    '80:80/sctp',
    '80:80/',
    '0.0.0.0:80:80',
    '[::]:80:80',
    '192.0.2.256:80:80',
    '2001:db8::1:80:80',
    'host:80:80',
    '-1:80',
    '8080:80 ',
  ])('is not %j', (word) => {
    expect(parsePublish(word)).toBeUndefined();
  });

  it('clashes with one that wants the same port of an address in common', () => {
    const port = (word: string) => parsePublish(word)!;
    expect(clash(port('80:1'), port('80:2'))).toBe(true);
    expect(clash(port('80:1'), port('127.0.0.1:80:2'))).toBe(true);
    expect(clash(port('127.0.0.1:80:1'), port('127.0.0.1:80:2'))).toBe(true);
    expect(clash(port('127.0.0.1:80:1'), port('192.0.2.1:80:2'))).toBe(false);
    expect(clash(port('80:1'), port('80:1/udp'))).toBe(false);
    expect(clash(port('80:1'), port('81:1'))).toBe(false);
  });

  it('is in a list once', () => {
    expect(parsePublishList(['80:80', '443:443', '80:80/udp'])).toHaveLength(3);
    expect(parsePublishList(['80:80', '127.0.0.1:80:81'])).toBeUndefined();
    expect(parsePublishList(['80:80', 'x'])).toBeUndefined();
    expect(parsePublishList([])).toEqual([]);
  });
});
