import { describe, expect, it } from 'vitest';
import { elementLists, setAttributes } from '../../../src/host/linux/nft-set.ts';
import type { NftElement, NftSet } from '../../../src/host/linux/nft-types.ts';

/** All bytes here are what nft 1.0.6 itself sends for the same, as strace shows them. */

const endpoint = ['ipv4_addr', 'inet_proto', 'inet_service'] as const;
const attributes = (set: NftSet, id: number) => setAttributes(set, id).map((one) => one.toString('hex'));
const elements = (set: NftSet, ...some: NftElement[]) => elementLists(set, some).map((one) => one.toString('hex'));

describe('a set', () => {
  it('of concatenated intervals tells the sizes of its fields', () => {
    const [name, flags, type, size, id, description] = attributes({ name: 'a', key: endpoint, interval: true }, 1);
    expect(name).toBe('0600020061000000');
    expect(flags).toBe('0800030000000084');
    expect(type).toBe('080004000000730d');
    expect(size).toBe('080005000000000c');
    expect(id).toBe('08000a0000000001');
    const field = (bytes: string) => `0c00018008000100${bytes}`;
    expect(description).toBe(`2c00098028000280${field('00000004')}${field('00000001')}${field('00000002')}`);
  });

  it('that leads links to chains is a verdict map', () => {
    expect(attributes({ name: 'out', key: ['ifname'], data: 'verdict' }, 2)).toEqual([
      '080002006f757400',
      '0800030000000008',
      '0800040000000029',
      '0800050000000010',
      '08000600ffffff00',
      '0800070000000000',
      '08000a0000000002',
      '0a000d000004010000000000',
    ]);
  });

  it('that rules fill has a size and a timeout in milliseconds', () => {
    const found = attributes({ name: 'r', key: endpoint, dynamic: { size: 64, timeout: 900 } }, 3);
    expect(found).toContain('0800030000000030');
    expect(found).toContain('0c0009800800010000000040');
    expect(found).toContain('0c000b0000000000000dbba0');
  });
});

describe('elements', () => {
  it('of concatenated intervals have a first and a last key', () => {
    const set: NftSet = { name: 'a', key: endpoint, interval: true };
    expect(elements(set, { key: ['10.0.0.0/8', '6-17', '0-65535'] })).toEqual([
      '300003802c000180140001801000010' + '00a0000000600000000000000' + '14000a80100001000affffff11000000ffff0000',
    ]);
  });

  it('of plain intervals are followed by what ends them, unless nothing does', () => {
    const set: NftSet = { name: 'nets', key: ['ipv4_addr'], interval: true };
    const start = '1000018' + '00c000180080001000a000000';
    const end = '18000180' + '0800030000000001' + '0c000180080001000b000000';
    expect(elements(set, { key: ['10.0.0.0/8'] })).toEqual([`2c000380${start}${end}`]);
    expect(elements(set, { key: ['0.0.0.0/0'] })).toEqual([`14000380100001800c0001800800010000000000`]);
  });

  it('of maps have data', () => {
    const set: NftSet = { name: 'p', key: ['inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'] };
    expect(elements(set, { key: ['tcp', '8080'], data: ['10.0.0.2', '80'] })).toEqual([
      '28000380' + '24000180' + '100001800c000100060000001f900000' + '100002800c0001000a00000200500000',
    ]);
  });

  it('are spread over as many messages as it takes', () => {
    const set: NftSet = { name: 'n', key: ['ipv4_addr'], interval: true };
    const many = Array.from({ length: 1000 }, (_, i): NftElement => ({ key: [`10.0.${i >> 8}.${i & 255}`] }));
    const lists = elementLists(set, many);
    expect(lists.map((list) => list.length < 65_536)).toEqual(Array(lists.length).fill(true));
    expect(lists.length).toBeGreaterThan(1);
  });

  it('of another shape than the set’s are a mistake of ours', () => {
    const set: NftSet = { name: 'n', key: ['ipv4_addr'] };
    expect(() => elementLists(set, [{ key: ['10.0.0.1', 'tcp'] }])).toThrow('expected ipv4_addr, got 10.0.0.1 . tcp');
    expect(() => elementLists(set, [{ key: ['::1'] }])).toThrow('not of type ipv4_addr: ::1');
    expect(() => elementLists(set, [{ key: ['10.0.0.1'], data: ['x'] }])).toThrow('the set n has no such data');
  });
});
