import { describe, expect, it } from 'vitest';
import { judgeForward } from '../../../../src/host/linux/firewall/judge.ts';
import {
  type Chain,
  type Element,
  type Expression,
  HOOK_FORWARD,
  type Ruleset,
  setName,
} from '../../../../src/host/linux/firewall/ruleset.ts';
import { fateIn } from '../../../../src/host/linux/firewall/walk.ts';

type Rule = readonly Expression[];

const PACKET = { family: 'ip', iifname: 'mt-shop', oifname: 'eth0' } as const;
const name = (text: string) => {
  const bytes = Buffer.alloc(16);
  bytes.write(text);
  return bytes;
};
const number = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const is = (what: 'iifname' | 'oifname', value: Buffer, equal = true): Rule => [
  { kind: 'load', what, register: 1 },
  { kind: 'compare', register: 1, equal, value },
];
const end = (to: 'accept' | 'drop' | 'return'): Expression => ({ kind: 'verdict', verdict: { to } });
const go = (to: 'jump' | 'goto', chain: string): Expression => ({ kind: 'verdict', verdict: { to, chain } });
const MAYBE: Expression = { kind: 'maybe' };

function fate(
  rules: readonly Rule[],
  drops: boolean,
  others: Readonly<Record<string, readonly Rule[]>> = {},
  sets: Readonly<Record<string, readonly Element[]>> = {},
) {
  const base: Chain = { family: 'inet', table: 't', name: 'base', base: { hook: HOOK_FORWARD, drops }, rules };
  const chains = Object.entries(others).map(
    ([own, list]): Chain => ({ family: 'inet', table: 't', name: own, rules: list }),
  );
  const named = Object.entries(sets).map(([own, elements]) => [setName(base, own), elements] as const);
  const ruleset: Ruleset = { chains: [base, ...chains], sets: new Map(named) };
  return fateIn(ruleset, base, PACKET);
}

describe('what becomes of a forwarded packet', () => {
  it.each<[string, readonly Rule[], boolean, string]>([
    ['no rule, policy accept', [], false, 'passes'],
    ['no rule, policy drop', [], true, 'dropped'],
    ['its link is accepted', [[...is('iifname', Buffer.from('mt-')), end('accept')]], true, 'passes'],
    ['its link by its whole name', [[...is('iifname', name('mt-shop')), end('accept')]], true, 'passes'],
    ['a link whose name only begins so', [[...is('iifname', name('mt-sho')), end('accept')]], true, 'dropped'],
    ['not this link', [[...is('iifname', name('docker0'), false), end('drop')]], false, 'dropped'],
    ['an unknown match before accept', [[MAYBE, end('accept')]], true, 'depends'],
    ['an unknown match before drop', [[MAYBE, end('drop')]], false, 'depends'],
    ['an unknown match that changes nothing', [[MAYBE, end('drop')]], true, 'dropped'],
    ['what can’t match is not looked at', [[...is('oifname', name('lan0')), MAYBE, end('drop')]], false, 'passes'],
    ['the first verdict counts', [[end('accept')], [end('drop')]], true, 'passes'],
    ['established connections only', [[{ kind: 'state', states: 6, inverted: false }, end('accept')]], true, 'dropped'],
    ['new connections', [[{ kind: 'state', states: 8, inverted: false }, end('accept')]], true, 'passes'],
    ['all but established', [[{ kind: 'state', states: 6, inverted: true }, end('drop')]], false, 'dropped'],
  ])('%s', (_, rules, drops, expected) => {
    expect(fate(rules, drops)).toBe(expected);
  });

  it('forgets registers that something unknown may have loaded', () => {
    const [load, compare] = is('iifname', name('mt-shop')) as [Expression, Expression];
    expect(fate([[load, MAYBE, compare, end('accept')]], true)).toBe('depends');
    const [, other] = is('iifname', name('lan0')) as [Expression, Expression];
    expect(fate([[load, MAYBE, other, end('accept')]], true)).toBe('depends');
  });

  it('masks what nft masks: ct state established,related', () => {
    const states: Rule = [
      { kind: 'load', what: 'ct state', register: 1 },
      { kind: 'mask', from: 1, register: 1, mask: number(6), xor: number(0) },
      { kind: 'compare', register: 1, equal: false, value: number(0) },
    ];
    expect(fate([[...states, end('accept')]], true)).toBe('dropped');
  });

  it('comes back from a jump, and not from a goto', () => {
    const others = { back: [[end('return')]], empty: [] };
    expect(fate([[go('jump', 'back')], [end('accept')]], true, others)).toBe('passes');
    expect(fate([[go('jump', 'empty')], [end('accept')]], true, others)).toBe('passes');
    expect(fate([[go('goto', 'empty')], [end('accept')]], true, others)).toBe('dropped');
    expect(fate([[MAYBE, go('goto', 'empty')], [end('accept')]], true, others)).toBe('depends');
  });

  it('does not guess where a jump leads to a chain that it can’t see', () => {
    expect(fate([[go('jump', 'gone')]], false)).toBe('depends');
  });

  it('looks up in sets and verdict maps', () => {
    const lookup = (set: string, map: boolean): Rule => [
      { kind: 'load', what: map ? 'ct state' : 'iifname', register: 1 },
      { kind: 'lookup', register: 1, set, inverted: false, map },
    ];
    const links = { links: [{ key: name('lan0') }, { key: name('mt-shop') }] };
    expect(fate([[...lookup('links', false), end('accept')]], true, {}, links)).toBe('passes');
    expect(fate([[...lookup('links', false), end('accept')]], true, {}, { links: [{ key: name('lan0') }] })).toBe(
      'dropped',
    );
    expect(fate([[...lookup('links', false), end('accept')]], true)).toBe('depends');
    const concatenated = { links: [{ key: Buffer.alloc(32) }] };
    expect(fate([[...lookup('links', false), end('accept')]], true, {}, concatenated)).toBe('depends');
    const states = {
      states: [
        { key: number(2), verdict: { to: 'accept' } as const },
        { key: number(8), verdict: { to: 'drop' } as const },
      ],
    };
    expect(fate([[...lookup('states', true)]], false, {}, states)).toBe('dropped');
    expect(fate([[...lookup('states', true)]], false)).toBe('depends');
    expect(fate([[...lookup('states', true)]], false, {}, { states: [states.states[0]!] })).toBe('passes');
    const rest = { states: [{ key: Buffer.alloc(0), verdict: { to: 'drop' } as const }] };
    expect(fate([[...lookup('states', true)]], false, {}, rest)).toBe('dropped');
  });

  it('judges only chains that packets of the family go through: forwarded, and for this host itself', () => {
    const chain = (family: 'ip' | 'ip6', hook: number): Chain => ({
      family,
      table: 'filter',
      name: 'FORWARD',
      base: { hook, drops: true },
      rules: [],
    });
    const ruleset = { chains: [chain('ip6', 2), chain('ip', 1), chain('ip', 3), chain('ip', 2)], sets: new Map() };
    const named = { tool: 'iptables', family: 'ip', table: 'filter', chain: 'FORWARD', legacy: false };
    expect(judgeForward(ruleset, 'eth0')).toEqual([
      { ...named, hook: 'forward', outgoing: 'dropped', incoming: 'dropped' },
      { ...named, hook: 'input', outgoing: 'dropped', incoming: 'passes' },
    ]);
  });

  it('tells of chains before and after routing only what is certain, unless they drop what they don’t know', () => {
    const judged = (hook: number, drops: boolean, ...rules: readonly Rule[]) => {
      const chain: Chain = { family: 'ip', table: 'raw', name: 'c', base: { hook, drops }, rules };
      return judgeForward({ chains: [chain], sets: new Map() }, 'eth0').map(({ hook, outgoing, incoming }) => {
        return [hook, outgoing, incoming];
      });
    };
    expect(judged(0, false, [MAYBE, end('drop')])).toEqual([]);
    expect(judged(0, true, [MAYBE, end('accept')])).toEqual([['prerouting', 'depends', 'depends']]);
    expect(judged(0, false, [...is('iifname', Buffer.from('mt-')), end('drop')])).toEqual([
      ['prerouting', 'dropped', 'passes'],
    ]);
    expect(judged(4, false, [...is('oifname', Buffer.from('mt-')), end('drop')])).toEqual([
      ['postrouting', 'passes', 'dropped'],
    ]);
  });
});

describe('the families of an app', () => {
  const chain = (family: Chain['family'], rules: readonly Rule[], drops: boolean): Chain => {
    return { family, table: 'filter', name: 'FORWARD', base: { hook: HOOK_FORWARD, drops }, rules };
  };
  const judged = (one: Chain, families: readonly ('ip' | 'ip6')[]) =>
    judgeForward({ chains: [one], sets: new Map() }, 'eth0', families).map(({ family, outgoing }) => [
      family,
      outgoing,
    ]);

  it('are looked at, and only these', () => {
    expect(judged(chain('ip6', [], true), ['ip'])).toEqual([]);
    expect(judged(chain('ip6', [], true), ['ip', 'ip6'])).toEqual([['ip6', 'dropped']]);
    expect(judged(chain('inet', [], true), ['ip', 'ip6'])).toEqual([['inet', 'dropped']]);
  });

  it('are not the same to a chain for both', () => {
    const six: Rule = [
      { kind: 'load', what: 'nfproto', register: 1 },
      { kind: 'compare', register: 1, equal: true, value: Buffer.of(10) },
      end('drop'),
    ];
    expect(judged(chain('inet', [six], false), ['ip'])).toEqual([['inet', 'passes']]);
    expect(judged(chain('inet', [six], false), ['ip', 'ip6'])).toEqual([['inet', 'depends']]);
  });
});
