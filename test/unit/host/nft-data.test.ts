import { describe, expect, it } from 'vitest';
import { formatValue, parseValue } from '../../../src/host/linux/nft-data.ts';
import type { DataType } from '../../../src/host/linux/nft-types.ts';

describe('a value of nf_tables', () => {
  it.each<[DataType, string, string]>([
    ['ipv4_addr', '10.1.2.3/8', '10.0.0.0/8'],
    ['ipv4_addr', '10.0.0.1-10.0.0.3', '10.0.0.1-10.0.0.3'],
    ['ipv4_addr', '10.0.0.0-10.0.0.3', '10.0.0.0/30'],
    ['ipv4_addr', '0.0.0.0/0', '0.0.0.0/0'],
    ['ipv6_addr', '2001:DB8::/32', '2001:db8::/32'],
    ['ipv6_addr', '::1', '::1'],
    ['inet_proto', '6', 'tcp'],
    ['inet_proto', '47', '47'],
    ['inet_proto', '6-17', '6-17'],
    ['inet_proto', 'ipv6-icmp', 'ipv6-icmp'],
    ['inet_service', '20-30', '20-30'],
    ['icmpv6_type', '135', 'nd-neighbor-solicit'],
    ['ifname', 'mt-web-0', '"mt-web-0"'],
  ])('of type %s: %s is printed as %s', (type, text, printed) => {
    expect(formatValue(type, parseValue(type, text))).toBe(printed);
  });

  it.each<[DataType, string]>([
    ['ipv4_addr', '10.0.0.0/33'],
    ['ipv4_addr', '10.0.0.2-10.0.0.1'],
    ['ipv4_addr', 'constructor'],
    ['inet_proto', 'toString'],
    ['inet_service', ''],
    ['ifname', 'sixteen-letters-'],
  ])('of type %s: %j is none', (type, text) => {
    expect(() => parseValue(type, text)).toThrow(`not of type ${type}: ${text}`);
  });
});
