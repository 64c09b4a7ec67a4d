import { describe, expect, it } from 'vitest';
import { parseArp } from '../../../src/host/linux/conflict-watch.ts';

/** A reply: 02:00:00:00:00:09 says that it has 10.7.0.9. */
const REPLY = Buffer.from('0001080006040002' + '020000000009' + '0a070009' + '02fc00000001' + '0a070001', 'hex');

describe('ARP packets', () => {
  it('say who claims an address', () => {
    expect(parseArp(REPLY)).toEqual({ hardware: '02:00:00:00:00:09', address: '10.7.0.9' });
    expect(parseArp(Buffer.concat([REPLY, Buffer.alloc(18)]))).toMatchObject({ address: '10.7.0.9' });
  });

  it('that are probes, torn or of another kind say nothing', () => {
    const probe = Buffer.from(REPLY);
    probe.writeUInt32BE(0, 14);
    const ipv6 = Buffer.from(REPLY);
    ipv6.writeUInt16BE(0x86dd, 2);
    for (const packet of [probe, ipv6, REPLY.subarray(0, 27), Buffer.alloc(0)])
      expect(parseArp(packet)).toBeUndefined();
  });
});
