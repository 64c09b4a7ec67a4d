import type { Chain, Expression, Loaded, Ruleset, Verdict } from './ruleset.ts';
import { setName } from './ruleset.ts';

/** The first packet of a TCP connection. */
export interface Packet {
  readonly family: 'ip' | 'ip6';
  readonly iifname: string;
  readonly oifname: string;
}

/** `depends`: on what the rules match by and this does not know. */
export type Fate = 'passes' | 'dropped' | 'depends';

type Outcome = 'accept' | 'drop' | 'continue' | 'return';
type Truth = boolean | undefined;

const IPPROTO_TCP = 6;
/** NF_CT_STATE_BIT(IP_CT_NEW), for nft and for xt_conntrack. */
const STATE_NEW = 8;
const IFNAMSIZ = 16;

/** The base chains of a hook that a packet goes through. Pure. */
export function chainsAt(ruleset: Ruleset, family: Packet['family'], hook: number): Chain[] {
  return ruleset.chains.filter(
    (chain) => chain.base?.hook === hook && (chain.family === family || chain.family === 'inet'),
  );
}

/**
 * What becomes of a packet in one base chain: its rules are followed with three truth values, so that `passes` and
 * `dropped` are certain. Pure.
 */
export function fateIn(ruleset: Ruleset, base: Chain, packet: Packet): Fate {
  const outcomes = new Walk(ruleset, base, packet).chain(base);
  const ends = new Set(
    [...outcomes].map((outcome) => (outcome === 'accept' || outcome === 'drop' ? outcome : policy(base))),
  );
  if (ends.size > 1) return 'depends';
  return ends.has('drop') ? 'dropped' : 'passes';
}

function policy(base: Chain): 'accept' | 'drop' {
  return base.base?.drops ? 'drop' : 'accept';
}

class Walk {
  readonly #ruleset: Ruleset;
  readonly #base: Chain;
  readonly #packet: Packet;
  readonly #chains: ReadonlyMap<string, Chain>;
  /** Nothing in a chain depends on where it was reached from. */
  readonly #known = new Map<string, ReadonlySet<Outcome>>();

  constructor(ruleset: Ruleset, base: Chain, packet: Packet) {
    this.#ruleset = ruleset;
    this.#base = base;
    this.#packet = packet;
    const table = ruleset.chains.filter((chain) => chain.family === base.family && chain.table === base.table);
    this.#chains = new Map(table.map((chain) => [chain.name, chain]));
  }

  /** `return` stands for the end of the chain too. */
  chain(chain: Chain): ReadonlySet<Outcome> {
    const known = this.#known.get(chain.name);
    if (known !== undefined) return known;
    const outcomes = new Set<Outcome>();
    this.#known.set(chain.name, outcomes);
    for (const rule of chain.rules) {
      const met = this.#rule(rule);
      for (const outcome of met) if (outcome !== 'continue') outcomes.add(outcome);
      if (!met.has('continue')) return outcomes;
    }
    outcomes.add('return');
    return outcomes;
  }

  #rule(rule: readonly Expression[]): ReadonlySet<Outcome> {
    const registers = new Map<number, Buffer | undefined>();
    let certain = true;
    for (const expression of rule) {
      if (expression.kind === 'verdict') return this.#end(this.#follow(expression.verdict), certain);
      if (expression.kind === 'lookup' && expression.map) {
        const verdicts = this.#map(expression, registers.get(expression.register));
        if (verdicts !== undefined) return this.#end(verdicts, certain);
        return new Set(['accept', 'drop', 'continue']);
      }
      const truth = this.#match(expression, registers);
      if (truth === false) return new Set(['continue']);
      if (truth === undefined) certain = false;
    }
    return new Set(['continue']);
  }

  #end(outcomes: ReadonlySet<Outcome>, certain: boolean): ReadonlySet<Outcome> {
    return certain ? outcomes : new Set([...outcomes, 'continue' as const]);
  }

  #follow(verdict: Verdict): ReadonlySet<Outcome> {
    if (verdict.to !== 'jump' && verdict.to !== 'goto') return new Set([verdict.to]);
    const chain = this.#chains.get(verdict.chain);
    if (chain === undefined) return new Set(['accept', 'drop', 'continue']);
    const outcomes = this.chain(chain);
    if (verdict.to === 'goto') return outcomes;
    return new Set([...outcomes].map((outcome) => (outcome === 'return' ? 'continue' : outcome)));
  }

  #match(expression: Expression, registers: Map<number, Buffer | undefined>): Truth {
    switch (expression.kind) {
      case 'load':
        registers.set(expression.register, this.#load(expression.what));
        return true;
      case 'mask': {
        const { mask, xor, register } = expression;
        const value = registers.get(expression.from);
        registers.set(
          register,
          value && Buffer.from(mask.map((byte, at) => ((value[at] ?? 0) & byte) ^ (xor[at] ?? 0))),
        );
        return true;
      }
      case 'compare': {
        const value = registers.get(expression.register);
        if (value === undefined) return undefined;
        return value.subarray(0, expression.value.length).equals(expression.value) === expression.equal;
      }
      case 'state':
        return ((expression.states & STATE_NEW) !== 0) !== expression.inverted;
      case 'lookup': {
        const found = this.#find(expression.set, registers.get(expression.register));
        return found === undefined ? undefined : (found !== null) !== expression.inverted;
      }
      default:
        // It may have loaded any register.
        registers.clear();
        return undefined;
    }
  }

  #map(expression: { readonly set: string }, value: Buffer | undefined): ReadonlySet<Outcome> | undefined {
    const found = this.#find(expression.set, value);
    if (found === null) return new Set(['continue']);
    return found?.verdict === undefined ? undefined : this.#follow(found.verdict);
  }

  /** null: it is not in the set. undefined: that can't be told. */
  #find(set: string, value: Buffer | undefined) {
    const elements = this.#ruleset.sets.get(setName(this.#base, set));
    // A key of several registers is longer than what one holds.
    if (elements === undefined || value === undefined || elements.some(({ key }) => key.length > value.length)) {
      return undefined;
    }
    const exact = elements.find(({ key }) => key.length > 0 && value.subarray(0, key.length).equals(key));
    return exact ?? elements.find(({ key }) => key.length === 0) ?? null;
  }

  #load(what: Loaded): Buffer | undefined {
    const { family, iifname, oifname } = this.#packet;
    switch (what) {
      case 'iifname':
        return padded(iifname);
      case 'oifname':
        return padded(oifname);
      case 'nfproto':
        return Buffer.of(family === 'ip' ? 2 : 10);
      case 'l4proto':
        return Buffer.of(IPPROTO_TCP);
      case 'ct state':
        return number(STATE_NEW);
      case 'ct status':
        // Neither source nor destination has been translated yet.
        return number(0);
      default:
        return undefined;
    }
  }
}

function padded(name: string): Buffer {
  const bytes = Buffer.alloc(IFNAMSIZ);
  bytes.write(name);
  return bytes;
}

/** Registers hold numbers in host byte order, little-endian on every machine that Node runs on. */
function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
