import { describe, expect, it } from 'vitest';
import { putPart, refillSets, removePart, removeTable, replaceTable } from '../../../src/host/linux/nft-batch.ts';
import type { NftTable } from '../../../src/host/linux/nft-types.ts';

const table: NftTable = {
  name: 'metactl',
  chains: [
    {
      name: 'c',
      base: { hook: 'prerouting', priority: -300 },
      rules: [[{ kind: 'iifname', is: true, name: 'mt-*' }, { kind: 'drop' }]],
    },
    { name: 'uplink', rules: [] },
  ],
};

/** Messages of a batch as [type, flags, sequence number, rest in hexadecimal]. */
function messagesOf(batch: Uint8Array): [number, number, number, string][] {
  const bytes = Buffer.from(batch);
  const found: [number, number, number, string][] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) {
    const end = at + bytes.readUInt32LE(at);
    const rest = bytes.toString('hex', at + 16, end);
    found.push([bytes.readUInt16LE(at + 4), bytes.readUInt16LE(at + 6), bytes.readUInt32LE(at + 8), rest]);
  }
  return found;
}

const hex = (text: string) => Buffer.from(text).toString('hex');
const [BEGIN, END, NEW_TABLE, DELETE_TABLE, NEW_CHAIN, NEW_RULE] = [0x10, 0x11, 0xa00, 0xa02, 0xa03, 0xa06];
/** NFTA_TABLE_NAME: 12 bytes, type 1. */
const NAME = `0c000100${hex('metactl\0')}`;

describe('a transaction of nf_tables', () => {
  it('replaces whatever has the name: made, deleted, made again', () => {
    const messages = messagesOf(replaceTable(table));
    expect(messages.map(([type]) => type)).toEqual([
      BEGIN,
      NEW_TABLE,
      DELETE_TABLE,
      NEW_TABLE,
      NEW_CHAIN,
      NEW_CHAIN,
      NEW_RULE,
      END,
    ]);
    expect(messages[1]![3]).toBe(`01000000${NAME}`);
  });

  it('is framed for nf_tables and numbered, and all between asks for an answer', () => {
    const messages = messagesOf(removeTable('metactl'));
    expect(messages.map(([, , sequence]) => sequence)).toEqual([0, 1, 2, 3]);
    expect(messages[0]![3]).toBe('0000000a');
    expect(messages.map(([, flags]) => (flags & 4) !== 0)).toEqual([false, true, true, false]);
    expect(messages.map(([type]) => type)).toEqual([BEGIN, NEW_TABLE, DELETE_TABLE, END]);
  });

  it('gives a base chain its hook, priority, policy and type; others nothing', () => {
    const chains = messagesOf(replaceTable(table)).filter(([type]) => type === NEW_CHAIN);
    const hook = '140004800800010000000000' + '08000200fffffed4';
    expect(chains[0]![3]).toBe(
      `01000000${NAME}06000300${hex('c\0')}0000${hook}0800050000000001` + `0b000700${hex('filter\0')}00`,
    );
    expect(chains[1]![3]).toBe(`01000000${NAME}0b000300${hex('uplink\0')}00`);
  });

  it('compares the beginning of a name without padding, a whole name with it', () => {
    const rule = (name: string) =>
      messagesOf(
        replaceTable({ name: 't', chains: [{ name: 'c', rules: [[{ kind: 'iifname', is: true, name }]] }] }),
      ).find(([type]) => type === NEW_RULE)![3];
    expect(rule('mt-*')).toContain(`07000100${hex('mt-')}00`);
    expect(rule('eth0')).toContain(`14000100${hex('eth0')}${'00'.repeat(12)}`);
  });
});

describe('a part of a table', () => {
  const part: NftTable = {
    name: 'metactl',
    counters: ['n'],
    sets: [{ name: 's', key: ['ipv4_addr'], elements: [{ key: ['10.0.0.1'] }] }],
    chains: [{ name: 'c', rules: [[{ kind: 'drop' }]] }],
    elements: [
      { set: { name: 'out', key: ['ifname'], data: 'verdict' }, elements: [{ key: ['mt-a'], data: { jump: 'c' } }] },
    ],
  };
  const typesOf = (batch: Uint8Array) => messagesOf(batch).map(([type]) => type & 0xff);
  const [newChain, deleteChain, newRule, deleteRule, newSet, deleteSet] = [3, 5, 6, 8, 9, 11];
  const [newElement, deleteElement, newObject, deleteObject] = [12, 14, 18, 20];

  it('is declared, emptied and filled in one transaction', () => {
    const made = [newObject, newSet, newChain];
    const emptied = [deleteRule, deleteElement];
    expect(typesOf(putPart(part))).toEqual([BEGIN, ...made, ...emptied, newElement, newRule, newElement, END]);
  });

  it('is declared before it is removed, from what leads to it down to what it needs', () => {
    const declared = [newObject, newSet, newChain, newElement];
    const gone = [deleteElement, deleteRule, deleteChain, deleteSet, deleteObject];
    expect(typesOf(removePart(part))).toEqual([BEGIN, ...declared, ...gone, END]);
  });

  it('gets other elements without a change of its rules', () => {
    expect(typesOf(refillSets(part))).toEqual([BEGIN, deleteElement, newElement, END]);
  });
});
