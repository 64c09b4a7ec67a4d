import { describe, expect, it } from 'vitest';
import { parseIpv6 } from '../../../src/util/ipv6.ts';
import { containsIpv6, parseIpv6Range } from '../../../src/util/ipv6-range.ts';

const address = (text: string) => parseIpv6(text)!;

describe('IPv6 ranges', () => {
  it('cover what they say', () => {
    expect(parseIpv6Range('2001:db8::/126')).toEqual({ first: address('2001:db8::'), last: address('2001:db8::3') });
    expect(parseIpv6Range('2001:db8::5/126')).toEqual({ first: address('2001:db8::4'), last: address('2001:db8::7') });
    expect(parseIpv6Range('2001:db8::1')).toEqual({ first: address('2001:db8::1'), last: address('2001:db8::1') });
    const all = parseIpv6Range('::/0')!;
    expect([all.first, all.last]).toEqual([0n, (1n << 128n) - 1n]);
    expect(containsIpv6(all, address('ff02::1'))).toBe(true);
    expect(containsIpv6(parseIpv6Range('2001:db8::/64')!, address('2001:db8:0:1::'))).toBe(false);
  });

  it.each(['2001:db8::/129', '2001:db8::/', '2001:db8::/064', '10.0.0.0/8', 'x/64', '::/0/0'])('%j is none', (text) => {
    expect(parseIpv6Range(text)).toBeUndefined();
  });
});
