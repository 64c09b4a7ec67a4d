import { describe, expect, it } from 'vitest';
import { type Destination, destinationBoxes, MOST_ELEMENTS } from '../../../src/util/destinations.ts';

const range = (first: number, last = first) => ({ first: BigInt(first), last: BigInt(last) });
const HOST = 0xc0000201;
const hosts = (count: number): Destination => ({
  networks: Array.from({ length: count }, (_, i) => `10.0.${i >> 7}.${2 * (i & 127)}`),
  ports: [443, 443],
  protocol: 'tcp',
});

describe('destinations', () => {
  it('are boxes of their family', () => {
    const both: Destination = { networks: ['192.0.2.1', '2001:db8::/127'], protocol: 'icmp' };
    expect(destinationBoxes('4', [both])).toEqual([[range(HOST), range(1), range(0, 65_535)]]);
    const first = 0x20010db8n << 96n;
    expect(destinationBoxes('6', [both])).toEqual([[{ first, last: first + 1n }, range(58), range(0, 65_535)]]);
    expect(destinationBoxes('4', [{ networks: ['192.0.2.0/31'] }, { networks: ['192.0.2.1'], ports: [1, 2] }])).toEqual(
      [[range(HOST - 1, HOST), range(0, 255), range(0, 65_535)]],
    );
    expect(() => destinationBoxes('4', [{ networks: ['nowhere'] }])).toThrow('not a network: nowhere');
  });

  it('may be named twice, and are as many as a set may have', () => {
    expect(destinationBoxes('4', [hosts(MOST_ELEMENTS), hosts(MOST_ELEMENTS)])).toHaveLength(MOST_ELEMENTS);
    expect(destinationBoxes('4', [hosts(MOST_ELEMENTS + 1)])).toBeUndefined();
  });

  it('that cut each other into too many pieces are found out soon', () => {
    const ports = Array.from({ length: 150 }, (_, i): Destination => {
      return { networks: ['0.0.0.0/0'], ports: [1000 + 2 * i, 1000 + 2 * i], protocol: 'tcp' };
    });
    const networks = Array.from({ length: 150 }, (_, i): Destination => {
      return { networks: [`10.0.${i}.0/24`], ports: [900, 50_000], protocol: 'tcp' };
    });
    expect(destinationBoxes('4', [...ports, ...networks])).toBeUndefined();
  });
});
