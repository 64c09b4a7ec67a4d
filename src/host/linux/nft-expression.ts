import { attribute, bigEndian, hostOrder, longNumber, named, nested, number } from './nft-attribute.ts';
import { factsOf, type NumberRange, paddedSize, parseValue, valueBytes } from './nft-data.ts';
import type { CtState, DataType, Expression, Field, NatTarget, NftRule } from './nft-types.ts';

/** Rules as the kernel's expressions (linux/netfilter/nf_tables.h; attribute numbers are those of its enums). Pure. */

interface FieldFacts {
  readonly type: DataType;
  readonly family?: 'ipv4' | 'ipv6';
  readonly load: (register: number) => Buffer;
}

const META = { iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const NFPROTO = { ipv4: 2, ipv6: 10 } as const;
const IPPROTO = { icmp: 1, tcp: 6, udp: 17, 'ipv6-icmp': 58 } as const;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;

const FIELDS: Readonly<Record<Field, FieldFacts>> = {
  iifname: { type: 'ifname', load: (register) => meta(META.iifname, register) },
  oifname: { type: 'ifname', load: (register) => meta(META.oifname, register) },
  'meta l4proto': { type: 'inet_proto', load: (register) => meta(META.l4proto, register) },
  'ip saddr': { type: 'ipv4_addr', family: 'ipv4', load: payload(NETWORK_HEADER, 12, 4) },
  'ip daddr': { type: 'ipv4_addr', family: 'ipv4', load: payload(NETWORK_HEADER, 16, 4) },
  'ip6 saddr': { type: 'ipv6_addr', family: 'ipv6', load: payload(NETWORK_HEADER, 8, 16) },
  'ip6 daddr': { type: 'ipv6_addr', family: 'ipv6', load: payload(NETWORK_HEADER, 24, 16) },
  'th dport': { type: 'inet_service', load: payload(TRANSPORT_HEADER, 2, 2) },
  'icmpv6 type': { type: 'icmpv6_type', family: 'ipv6', load: payload(TRANSPORT_HEADER, 0, 1) },
};

const CMP_EQ = 0;
const CMP_NEQ = 1;
const FIB = { oif: 1, addressType: 3, source: 0x1, destination: 0x2, iif: 0x8, present: 0x20 } as const;
const RTN_LOCAL = 2;
const CT = { state: 0, status: 2 } as const;
const CT_STATES: Readonly<Record<CtState, number>> = { invalid: 1, established: 2, related: 4, new: 8 };
const CT_STATUS = { snat: 0x10, dnat: 0x20 } as const;
const VERDICT_REGISTER = 0;
const VERDICTS = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
const NFT_OBJECT_COUNTER = 1;
const LOOKUP_INVERTED = 1;
const DYNSET_UPDATE = 1;
const REJECT = { 'tcp reset': [1, 0], 'admin-prohibited': [2, 3] } as const;
const NAT = { snat: 0, dnat: 1 } as const;
const NAT_PROTO_SPECIFIED = 0x2;
const IFNAMSIZ = 16;

/** The elements of NFTA_RULE_EXPRESSIONS. Each rule looks at most once which family and protocol a packet has. */
export function encodeRule(rule: NftRule): Buffer[] {
  const known: Known = { family: undefined, protocol: undefined };
  return rule.flatMap((expression) => encode(expression, known));
}

/** What a rule has made sure of so far. */
interface Known {
  family: keyof typeof NFPROTO | undefined;
  protocol: number | undefined;
}

function encode(expression: Expression, known: Known): Buffer[] {
  switch (expression.kind) {
    case 'iifname':
    case 'oifname':
      return [meta(META[expression.kind], 1), compare(expression.is ? CMP_EQ : CMP_NEQ, linkName(expression.name))];
    case 'ipv4':
    case 'ipv6':
      return family(expression.kind, known);
    case 'protocol':
      return protocol(IPPROTO[expression.is], known);
    case 'address':
      return address(expression.field, expression.is, known);
    case 'in':
      return [...load(expression.fields, known), lookup(expression.set, expression.not === true)];
    case 'vmap':
      return [...load(expression.fields, known), lookup(expression.map, false, VERDICT_REGISTER)];
    case 'ct-state':
      return ctBits(
        CT.state,
        expression.states.reduce((bits, state) => bits | CT_STATES[state], 0),
      );
    case 'ct-status':
      return ctBits(CT.status, CT_STATUS[expression.status]);
    case 'forged-source':
      return [fib(FIB.oif, FIB.source | FIB.iif | FIB.present), compare(CMP_EQ, Buffer.alloc(4))];
    case 'local-destination':
      return [fib(FIB.addressType, FIB.destination), compare(CMP_EQ, hostOrder(RTN_LOCAL))];
    case 'counter':
      return [
        expression.name === undefined
          ? element('counter')
          : element('objref', number(1, NFT_OBJECT_COUNTER), named(2, expression.name)),
      ];
    case 'update':
      return [...load(expression.fields, known), update(expression.set, expression.plain ? [] : plain('counter'))];
    case 'limited':
      return [...load(expression.fields, known), update(expression.set, limit(expression))];
    case 'masquerade':
      return [element('masq')];
    case 'snat':
    case 'dnat':
      return nat(expression.kind, expression.family, expression.to, known);
    case 'reject': {
      const [type, code] = REJECT[expression.with];
      return [element('reject', number(1, type), attribute(2, Buffer.of(code)))];
    }
    case 'accept':
    case 'drop':
    case 'return':
      return [element('immediate', number(1, VERDICT_REGISTER), nested(2, verdict(VERDICTS[expression.kind])))];
    case 'jump':
    case 'goto': {
      const to = verdict(VERDICTS[expression.kind], expression.chain);
      return [element('immediate', number(1, VERDICT_REGISTER), nested(2, to))];
    }
  }
}

/** NFTA_DATA_VERDICT, for rules and for elements of verdict maps. */
export function verdict(code: number, chain?: string): Buffer {
  return nested(2, number(1, code), ...(chain === undefined ? [] : [named(2, chain)]));
}

/** NFTA_DATA_VERDICT of a jump or goto. */
export function leadTo(to: { readonly jump: string } | { readonly goto: string }): Buffer {
  return 'jump' in to ? verdict(VERDICTS.jump, to.jump) : verdict(VERDICTS.goto, to.goto);
}

/** Loads fields into registers, one behind the other, after making sure that the packet has them. */
function load(fields: readonly Field[], known: Known): Buffer[] {
  const families = fields.flatMap((field) => FIELDS[field].family ?? []);
  const before = families.length > 0 ? family(families[0]!, known) : [];
  if (fields.includes('icmpv6 type')) before.push(...protocol(IPPROTO['ipv6-icmp'], known));
  let word = 0;
  const loads = fields.map((field) => {
    const { load: loadInto, type } = FIELDS[field];
    const register = registerAt(word);
    word += paddedSize(type) / 4;
    return loadInto(register);
  });
  return [...before, ...loads];
}

/** The register that begins with a word: NFT_REG_1 to 4 hold four words each, NFT_REG32_00 (8) and on one each. */
function registerAt(word: number): number {
  return word % 4 === 0 ? 1 + word / 4 : 8 + word;
}

function family(name: keyof typeof NFPROTO, known: Known): Buffer[] {
  if (known.family === name) return [];
  known.family = name;
  return [meta(META.nfproto, 1), compare(CMP_EQ, Buffer.of(NFPROTO[name]))];
}

function protocol(value: number, known: Known): Buffer[] {
  if (known.protocol === value) return [];
  known.protocol = value;
  return [meta(META.l4proto, 1), compare(CMP_EQ, Buffer.of(value))];
}

function address(field: Field, text: string, known: Known): Buffer[] {
  const { type } = FIELDS[field];
  const range = parseValue(type, text);
  const value = valueBytes(type, range.first, false);
  const mask = range.first === range.last ? [] : [masked(value.length, maskOf(type, range))];
  return [...load([field], known), ...mask, compare(CMP_EQ, value)];
}

function maskOf(type: DataType, { first, last }: NumberRange): Buffer {
  const all = (1n << BigInt(factsOf(type).bytes * 8)) - 1n;
  return valueBytes(type, all ^ (first ^ last), false);
}

function ctBits(key: number, bits: number): Buffer[] {
  const loaded = element('ct', number(2, key), number(1, 1));
  return [loaded, masked(4, hostOrder(bits)), compare(CMP_NEQ, Buffer.alloc(4))];
}

function masked(length: number, mask: Buffer): Buffer {
  const zero = Buffer.alloc(length);
  return element(
    'bitwise',
    number(1, 1),
    number(2, 1),
    number(3, length),
    nested(4, attribute(1, mask)),
    nested(5, attribute(1, zero)),
  );
}

function lookup(set: string, inverted: boolean, destination?: number): Buffer {
  const more = destination === undefined ? [] : [number(3, destination)];
  return element('lookup', named(1, set), number(2, 1), ...more, ...(inverted ? [number(5, LOOKUP_INVERTED)] : []));
}

function update(set: string, each: readonly Buffer[]): Buffer {
  return element(
    'dynset',
    named(1, set),
    number(3, DYNSET_UPDATE),
    number(4, 1),
    ...(each.length > 0 ? [nested(7, ...each)] : []),
  );
}

/** NFTA_LIMIT_RATE, _UNIT (seconds), _BURST, _TYPE (packets) and _FLAGS. */
function limit({ perMinute, burst }: { readonly perMinute: number; readonly burst: number }): Buffer[] {
  const packets = [longNumber(1, BigInt(perMinute)), longNumber(2, 60n), number(3, burst), number(4, 0), number(5, 0)];
  return plain('limit', ...packets);
}

function nat(kind: keyof typeof NAT, ip: 'ip' | 'ip6', to: NatTarget, known: Known): Buffer[] {
  const type = ip === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const portRegister = registerAt(paddedSize(type) / 4);
  const head = [number(1, NAT[kind]), number(2, NFPROTO[ip === 'ip' ? 'ipv4' : 'ipv6']), number(3, 1)];
  const port = number(5, portRegister);
  if ('map' in to) {
    const found = [...load(to.fields, known), lookup(to.map, false, 1)];
    return [...found, element('nat', ...head, ...(to.withPort ? [port] : []))];
  }
  const set = (register: number, value: Buffer) =>
    element('immediate', number(1, register), nested(2, attribute(1, value)));
  const addressBytes = valueBytes(type, parseValue(type, to.address).first, false);
  if (to.port === undefined) return [set(1, addressBytes), element('nat', ...head)];
  const portBytes = bigEndian(to.port).subarray(2);
  const flags = number(7, NAT_PROTO_SPECIFIED);
  return [set(1, addressBytes), set(portRegister, portBytes), element('nat', ...head, port, flags)];
}

function fib(result: number, flags: number): Buffer {
  return element('fib', number(1, 1), number(2, result), number(3, flags));
}

function meta(key: number, register: number): Buffer {
  return element('meta', number(2, key), number(1, register));
}

function payload(base: number, offset: number, length: number): (register: number) => Buffer {
  return (register) => element('payload', number(1, register), number(2, base), number(3, offset), number(4, length));
}

function compare(operation: number, value: Buffer): Buffer {
  return element('cmp', number(1, 1), number(2, operation), nested(3, attribute(1, value)));
}

/** A whole name is compared with its padding, a beginning without. */
function linkName(name: string): Buffer {
  if (name.endsWith('*')) return Buffer.from(name.slice(0, -1));
  const padded = Buffer.alloc(IFNAMSIZ);
  padded.write(name);
  return padded;
}

/** NFTA_LIST_ELEM with NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
function element(name: string, ...data: readonly Buffer[]): Buffer {
  return nested(1, ...plain(name, ...data));
}

function plain(name: string, ...data: readonly Buffer[]): Buffer[] {
  return [named(1, name), nested(2, ...data)];
}
