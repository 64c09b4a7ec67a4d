import { describe, expect, it } from 'vitest';
import { clash, formatPublish, parsePublish, parsePublishList, publishProblem } from '../../../src/util/publish.ts';

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
    '[::1]:80:80',
    '[::ffff:192.0.2.1]:80:80',
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

  it.each([
    ['80:80 127.0.0.1:80:81', 'each host port once, but `80:80` and `127.0.0.1:80:81` want the same one'],
    ['0:80', 'ports from 1 to 65535: `0:80` has another one'],
    ['80:70000/udp', 'ports from 1 to 65535: `80:70000/udp` has another one'],
    ['8000-8010:8000-8010', 'a word for each port: `8000-8010:8000-8010` is a range'],
    ['192.0.2.1:8000-8010:80/udp', 'a word for each port: `192.0.2.1:8000-8010:80/udp` is a range'],
    ['80:80/sctp', '/tcp or /udp: `80:80/sctp` is of another protocol'],
    ['80:80/', '/tcp or /udp: `80:80/` is of another protocol'],
    ['[::1]:80:80', 'another address than [::1]: the kernel leads nothing from there to an app; 127.0.0.1 works'],
    ['0.0.0.0:80:80', 'no address where `0.0.0.0:80:80` means all of them: `80:80`'],
    ['[::]:80:80', 'no address where `[::]:80:80` means all of them: `80:80`'],
    ['192.0.2.256:80:80', 'an address of this host: `192.0.2.256:80:80` begins with none'],
    ['[::ffff:192.0.2.1]:80:80', 'the IPv4 address itself where `[::ffff:192.0.2.1]:80:80` has it in an IPv6 one'],
  ])('that can’t be had is told for %s', (text, told) => {
    expect(publishProblem(text.split(' '))).toBe(told);
  });

  it.each(['', 'x', '80', '80:80 443:443 80:80/udp'])('needs no more words for %j', (text) => {
    expect(publishProblem(text.split(' '))).toBeUndefined();
  });
});
