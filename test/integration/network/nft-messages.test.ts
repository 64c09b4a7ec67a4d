import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { networkAddon } from '../../../src/host/linux/network-native.ts';
import { readOtherClaims } from '../../../src/host/linux/nft.ts';
import { readOutcome } from '../../../src/host/linux/nft-answer.ts';
import { putPart, refillSets, removePart, removeTable, replaceTable } from '../../../src/host/linux/nft-batch.ts';
import { tableText } from '../../../src/host/linux/nft-text.ts';
import type { Expression, NftSet, NftTable } from '../../../src/host/linux/nft-types.ts';
import { leakCheck } from '../../helpers/leak-check.ts';

// The addon's socket lasts as long as the process: it is no left-over of a test.
readOtherClaims('none');
leakCheck();

const OWN = 'metactl-fff2';

/** Sends a transaction; @returns the kernel's refusal, undefined where it took all of it. */
function send(messages: Uint8Array): string | undefined {
  const { refusal } = readOutcome(networkAddon().nfnetlink(messages));
  return refusal === undefined ? undefined : `${refusal.errno} ${refusal.text}`;
}

const spaces = (text: string) => text.replace(/\s+/g, ' ');
const list = () => spaces(execFileSync('nft', ['-s', 'list', 'table', 'inet', OWN], { encoding: 'utf8' }));

afterEach(() => {
  send(removeTable(OWN));
});

const address4 = ['ipv4_addr', 'inet_proto', 'inet_service'] as const;
const out: NftSet = { name: 'out', key: ['ifname'], data: 'verdict' };
const sets: NftSet[] = [
  { name: 'ported', key: ['inet_proto'], elements: [{ key: ['tcp'] }, { key: ['udp'] }, { key: ['132'] }] },
  { name: 'nd', key: ['icmpv6_type'], elements: [{ key: ['nd-neighbor-solicit'] }, { key: ['136'] }] },
  { name: 'ports', key: ['inet_service'], interval: true, elements: [{ key: ['22'] }, { key: ['8000-8080'] }] },
  {
    name: 'nets',
    key: ['ipv4_addr'],
    interval: true,
    elements: [{ key: ['10.0.0.0/8'] }, { key: ['192.0.2.1'] }, { key: ['255.255.255.0/24'] }],
  },
  { name: 'nets6', key: ['ipv6_addr'], interval: true, elements: [{ key: ['2001:db8::/32'] }, { key: ['ff00::/8'] }] },
  {
    name: 'accept4',
    key: address4,
    interval: true,
    elements: [
      { key: ['10.0.0.0/8', '0-255', '0-65535'] },
      { key: ['192.0.2.1', 'tcp', '5432'] },
      { key: ['192.0.2.7-192.0.2.9', 'udp', '20-30'] },
    ],
  },
  {
    name: 'accept6',
    key: ['ipv6_addr', 'inet_proto', 'inet_service'],
    interval: true,
    elements: [{ key: ['2001:db8::1', '6-17', '443'] }, { key: ['fd00::/8', 'ipv6-icmp', '0-65535'] }],
  },
  { name: 'refused', key: address4, dynamic: { size: 64, timeout: 5400 } },
  {
    name: 'publish4',
    key: ['inet_proto', 'inet_service'],
    data: ['ipv4_addr', 'inet_service'],
    elements: [{ key: ['tcp', '8080'], data: ['10.0.0.2', '80'] }],
  },
  {
    name: 'publish6',
    key: ['inet_proto', 'inet_service'],
    data: ['ipv6_addr', 'inet_service'],
    elements: [{ key: ['udp', '53'], data: ['2001:db8::2', '5353'] }],
  },
  { name: 'sources', key: ['ifname'], data: ['ipv4_addr'], elements: [{ key: ['mt-web'], data: ['10.0.0.2'] }] },
  {
    ...out,
    elements: [
      { key: ['mt-web'], data: { jump: 'all' } },
      { key: ['mt-abc'], data: { goto: 'others' } },
    ],
  },
];

const accept: Expression = { kind: 'accept' };
const rules: Expression[][] = [
  [{ kind: 'ct-state', states: ['established', 'related'] }, accept],
  [{ kind: 'ct-state', states: ['invalid'] }, { kind: 'drop' }],
  [{ kind: 'ct-status', status: 'dnat' }, { kind: 'return' }],
  [{ kind: 'ipv6' }, { kind: 'oifname', is: true, name: 'eth0' }, { kind: 'counter' }],
  [{ kind: 'in', fields: ['icmpv6 type'], set: 'nd' }, accept],
  [
    { kind: 'in', fields: ['ip saddr'], set: 'nets', not: true },
    { kind: 'goto', chain: 'others' },
  ],
  [
    { kind: 'in', fields: ['ip6 saddr'], set: 'nets6' },
    { kind: 'jump', chain: 'others' },
  ],
  [{ kind: 'address', field: 'ip daddr', is: '10.0.0.0/9' }, accept],
  [{ kind: 'address', field: 'ip6 saddr', is: '2001:db8::7' }, accept],
  [{ kind: 'in', fields: ['ip daddr', 'meta l4proto', 'th dport'], set: 'accept4' }, accept],
  [{ kind: 'in', fields: ['ip6 daddr', 'meta l4proto', 'th dport'], set: 'accept6' }, accept],
  [{ kind: 'counter', name: 'refused' }],
  [
    { kind: 'in', fields: ['meta l4proto'], set: 'ported' },
    { kind: 'update', set: 'refused', fields: ['ip daddr', 'meta l4proto', 'th dport'] },
  ],
  [
    { kind: 'protocol', is: 'tcp' },
    { kind: 'reject', with: 'tcp reset' },
  ],
  [{ kind: 'reject', with: 'admin-prohibited' }],
];

const key = ['meta l4proto', 'th dport'] as const;
const table: NftTable = {
  name: OWN,
  counters: ['refused'],
  sets,
  chains: [
    { name: 'others', rules: [] },
    { name: 'all', rules },
    {
      name: 'forward',
      base: { hook: 'forward', priority: 0 },
      rules: [[{ kind: 'vmap', fields: ['iifname'], map: 'out' }]],
    },
    { name: 'in', base: { hook: 'input', priority: 50 }, rules: [] },
    {
      name: 'pre',
      base: { type: 'nat', hook: 'prerouting', priority: -100 },
      rules: [
        [
          { kind: 'local-destination' },
          { kind: 'dnat', family: 'ip', to: { fields: key, map: 'publish4', withPort: true } },
        ],
        [
          { kind: 'local-destination' },
          { kind: 'dnat', family: 'ip6', to: { fields: key, map: 'publish6', withPort: true } },
        ],
        [
          { kind: 'iifname', is: true, name: 'mt-none' },
          { kind: 'dnat', family: 'ip', to: { address: '10.0.0.2' } },
        ],
        [
          { kind: 'iifname', is: true, name: 'mt-none' },
          { kind: 'protocol', is: 'tcp' },
          { kind: 'dnat', family: 'ip6', to: { address: '2001:db8::2', port: 80 } },
        ],
      ],
    },
    {
      name: 'post',
      base: { type: 'nat', hook: 'postrouting', priority: 100 },
      rules: [
        [
          { kind: 'iifname', is: true, name: 'mt-none' },
          { kind: 'oifname', is: false, name: 'mt-*' },
          { kind: 'masquerade' },
        ],
        [
          { kind: 'iifname', is: true, name: 'mt-none' },
          { kind: 'snat', family: 'ip', to: { fields: ['iifname'], map: 'sources', withPort: false } },
        ],
      ],
    },
    { name: 'local', base: { type: 'nat', hook: 'output', priority: -100 }, rules: [] },
  ],
};

describe('every expression, set and chain', () => {
  it('is in the kernel what the text says', () => {
    expect(send(replaceTable(table))).toBeUndefined();
    expect(list()).toBe(spaces(tableText(table)));
  });
});

describe('a part of a table', () => {
  const base: NftTable = {
    name: OWN,
    sets: [out],
    chains: [{ name: 'forward', rules: [[{ kind: 'vmap', fields: ['iifname'], map: 'out' }]] }],
  };
  const part = (app: string, port: string): NftTable => ({
    name: OWN,
    counters: [`refused-${app}`],
    sets: [
      { name: `out4-${app}`, key: address4, interval: true, elements: [{ key: ['10.0.0.1', 'tcp', port] }] },
      { name: `refused4-${app}`, key: address4, dynamic: { size: 8, timeout: 60 } },
    ],
    chains: [
      {
        name: `out-${app}`,
        rules: [
          [{ kind: 'in', fields: ['ip daddr', 'meta l4proto', 'th dport'], set: `out4-${app}` }, accept],
          [{ kind: 'counter', name: `refused-${app}` }],
          [{ kind: 'update', set: `refused4-${app}`, fields: ['ip daddr', 'meta l4proto', 'th dport'] }],
        ],
      },
    ],
    elements: [{ set: out, elements: [{ key: [`mt-${app}`], data: { jump: `out-${app}` } }] }],
  });
  /** As the kernel keeps them: counters, sets and chains in the order in which they were made. */
  const together = (...parts: readonly NftTable[]): NftTable => ({
    name: OWN,
    counters: parts.flatMap((one) => one.counters ?? []),
    sets: [
      { ...out, elements: parts.flatMap((one) => one.elements?.flatMap(({ elements }) => elements) ?? []) },
      ...parts.flatMap((one) => one.sets ?? []),
    ],
    chains: [...base.chains, ...parts.flatMap((one) => one.chains)],
  });
  const text = (...parts: readonly NftTable[]) => spaces(tableText(together(...parts)));

  it('is put beside others, put again, changed and removed without touching them', () => {
    send(replaceTable(base));
    for (const one of [part('a', '1'), part('b', '2'), part('a', '1')]) expect(send(putPart(one))).toBeUndefined();
    expect(list()).toBe(text(part('a', '1'), part('b', '2')));
    expect(send(putPart(part('a', '3')))).toBeUndefined();
    expect(list()).toBe(text(part('a', '3'), part('b', '2')));
    expect(send(removePart(part('a', '3')))).toBeUndefined();
    expect(list()).toBe(text(part('b', '2')));
    expect(send(removePart(part('b', '9')))).toBeUndefined();
    expect(list()).toBe(text());
  });

  it('is removed where it is damaged or was never there', () => {
    send(replaceTable(base));
    expect(send(removePart(part('a', '1')))).toBeUndefined();
    send(putPart(part('a', '1')));
    execFileSync('nft', ['flush', 'map', 'inet', OWN, 'out']);
    execFileSync('nft', ['flush', 'chain', 'inet', OWN, 'out-a']);
    expect(send(removePart(part('a', '1')))).toBeUndefined();
    expect(list()).toBe(text());
  });

  it('has its sets exchanged at once, and stays as it is where an element is refused', () => {
    send(replaceTable(base));
    send(putPart(part('a', '1')));
    const sets = (port: string): NftTable => ({ ...part('a', port), sets: part('a', port).sets!.slice(0, 1) });
    expect(send(refillSets(sets('7')))).toBeUndefined();
    expect(list()).toBe(text(part('a', '7')));
    const [set] = sets('8').sets!;
    const overlapping = [{ key: ['10.0.0.0/24', 'tcp', '1-9'] }, ...set!.elements!];
    expect(send(refillSets({ ...sets('8'), sets: [{ ...set!, elements: overlapping }] }))).toMatch(/^(17|39) /);
    expect(list()).toBe(text(part('a', '7')));
  });

  it('can’t be removed from a table that isn’t there, and none is made by it', () => {
    expect(send(removePart(part('a', '1')))).toMatch(/^2 /);
    expect(() => list()).toThrow('No such file or directory');
  });
});
