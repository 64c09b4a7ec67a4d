import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIpv6, parseIpv6 } from '../../../src/util/ipv6.ts';

describe('an IPv6 address', () => {
  it.each([
    ['::', 0n],
    ['::1', 1n],
    ['2001:DB8::7', 0x20010db8000000000000000000000007n],
    ['1:2:3:4:5:6:7:8', 0x00010002000300040005000600070008n],
    ['::ffff:192.0.2.1', 0xffffc0000201n],
  ])('%s is read', (text, number) => {
    expect(parseIpv6(text)).toBe(number);
  });

  it.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    'fe80::1%eth0',
    '12345::',
  ])('%j is none', (text) => {
    expect(parseIpv6(text)).toBeUndefined();
  });

  it.each(['::ffff:192.0.2.256', '::192.0.02.1', '192.0.2.1', '::/0', 'g::'])('%j is none either', (text) => {
    expect(parseIpv6(text)).toBeUndefined();
  });

  it('is written as RFC 5952 wants it', () => {
    for (const text of ['::', '::1', '2001:db8::', '2001:db8:0:1:1:1:1:1', '2001:0:0:1::1', 'fe80::1:0:0:1']) {
      expect(formatIpv6(parseIpv6(text)!)).toBe(text);
    }
  });

  it('survives being written and read', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (number) => {
        const text = formatIpv6(number);
        expect(isIPv6(text)).toBe(true);
        expect(parseIpv6(text)).toBe(number);
      }),
    );
  });
});
