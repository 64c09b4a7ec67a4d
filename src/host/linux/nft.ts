import { constants as osConstants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { MetactlError } from '../../util/error.ts';
import { LINK_PREFIX } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { type NftChainName, type Refusal, readChains, readOutcome, readRuleCounts } from './nft-answer.ts';
import { askChains, askMembers, listChains, putPart, removePart, removeTable, replaceTable } from './nft-batch.ts';
import type { Expression, NftTable } from './nft-types.ts';

/** A sysctl as it was before metactl changed it. */
export interface Claim {
  /** The path below /proc/sys. */
  readonly key: string;
  readonly old: string;
}

/** Families whose packets all devices forward, because somebody else than metactl wants this machine to be a router. */
export interface Router {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** What nft(8) calls raw: before connection tracking, so that a forged packet costs nothing. */
const RAW = -300;
const FILTER = 0;

/**
 * The node's base table. Nothing in it depends on an app: links go by their prefix, and the address that belongs to a
 * link is told by the host route to it.
 *
 * Whoever switched on the forwarding of an uplink made a router of it; packets from there go to metactl's apps only. Once
 * somebody (Docker, libvirt, an administrator) has switched it on for the whole machine, it is their router.
 * The empty chain `sysctl-…` tells other roots' metactl what a sysctl was before, for they see it changed. Pure.
 */
export function baseTable(name: string, claims: readonly Claim[], router: Router): NftTable {
  const links = `${LINK_PREFIX}*`;
  const forged: Expression[] = [
    { kind: 'iifname', is: true, name: links },
    { kind: 'forged-source' },
    { kind: 'drop' },
  ];
  const elsewhere = claims
    .flatMap(routerOf)
    .filter(({ family, device }) => device === undefined || !router[family])
    .map(({ family, device }): Expression[] => [
      { kind: family },
      device === undefined ? { kind: 'iifname', is: false, name: links } : { kind: 'iifname', is: true, name: device },
      { kind: 'oifname', is: false, name: links },
      { kind: 'drop' },
    ]);
  return {
    name,
    chains: [
      { name: 'anti-spoof', base: { hook: 'prerouting', priority: RAW }, rules: [forged] },
      { name: 'forward', base: { hook: 'forward', priority: FILTER }, rules: elsewhere },
      ...claims.map((claim) => ({ name: claimName(claim), rules: [] })),
    ],
  };
}

/** What forwards only because metactl switched it on; without `device`: every one. */
function routerOf({ key, old }: Claim): { readonly family: 'ipv4' | 'ipv6'; readonly device?: string }[] {
  if (old !== '0') return [];
  if (key === ALL_FORWARDING6) return [{ family: 'ipv6' }];
  const [, device4, device6] = FORWARDS.exec(key) ?? [];
  if (device4 !== undefined) return [{ family: 'ipv4', device: device4 }];
  return device6 === undefined ? [] : [{ family: 'ipv6', device: device6 }];
}

/** IPv6 has `forwarding` per device too, but that only says what the device tells its neighbours. */
const FORWARDS = /^net\/(?:ipv4\/conf\/([^/]+)\/forwarding|ipv6\/conf\/([^/]+)\/force_forwarding)$/;
const ALL_FORWARDING6 = 'net/ipv6/conf/all/forwarding';

/** `sysctl-0-net/ipv4/conf/eth0/forwarding`. Pure. */
export function claimName({ key, old }: Claim): string {
  return `sysctl-${old}-${key}`;
}

/** Pure. @returns undefined for a chain that claims nothing. */
export function parseClaim(chain: string): Claim | undefined {
  const match = /^sysctl-(\d+)-(net\/.+)$/.exec(chain);
  if (match === null) return undefined;
  const [, old = '', key = ''] = match;
  return { key, old };
}

/** Claims in the tables of other roots' nodes, from the names of all chains of the family inet. Pure. */
export function otherClaims(chains: readonly NftChainName[], own: string): Claim[] {
  return chains.flatMap(({ table, chain }) =>
    table !== own && /^metactl(-[0-9a-f]{4})?$/.test(table) ? (parseClaim(chain) ?? []) : [],
  );
}

/** @throws MetactlError METACTL_NO_NFT where the kernel lacks what the table needs; METACTL_NFT for any other refusal. */
export function loadBaseTable(name: string, claims: readonly Claim[], router: Router): void {
  transact('load the nft table', name, replaceTable(baseTable(name, claims, router)));
}

/** Removes the table, if it is there. */
export function removeBaseTable(name: string): void {
  transact('remove the nft table', name, removeTable(name));
}

/** Whether a table has all of its chains, and these all their rules. What is in its sets doesn't count. */
export function isWhole({ name, chains }: NftTable): boolean {
  const counts = readRuleCounts(networkAddon().nfnetlink(askChains(name, namesOf(chains))));
  const jumps = chains.flatMap(({ rules }) => rules.flat()).flatMap((one) => (one.kind === 'jump' ? [one.chain] : []));
  // The kernel counts what leads to a chain too.
  return chains.every((chain) => {
    return counts.get(chain.name) === chain.rules.length + jumps.filter((to) => to === chain.name).length;
  });
}

/** Whether a part of a table is there: its chains, and its members of other parts' sets. */
export function hasPart(part: NftTable): boolean {
  if (!isWhole(part)) return false;
  const asked = askMembers(part);
  return asked.length === 0 || readOutcome(networkAddon().nfnetlink(asked)).refusal === undefined;
}

function namesOf(things: readonly { readonly name: string }[]): string[] {
  return things.map(({ name }) => name);
}

export function readOtherClaims(own: string): Claim[] {
  return otherClaims(readAllChains(), own);
}

/** Names of all chains of the family inet. */
export function readAllChains(): NftChainName[] {
  const answers = networkAddon().nfnetlink(listChains());
  const chains = readChains(answers);
  if (chains === undefined) throw nftError('list nft chains', '', readOutcome(answers).refusal);
  return chains;
}

/** Puts a table in the place of what there is of that name. @throws MetactlError METACTL_NO_NFT, METACTL_NFT */
export function loadTable(table: NftTable): void {
  transact('load the nft table', table.name, replaceTable(table));
}

/** Adds a part to a table that is there. @throws MetactlError METACTL_NO_NFT, METACTL_NFT */
export function putTablePart(step: string, part: NftTable): void {
  transact(step, part.name, putPart(part));
}

/** Takes a part away again; nothing where the table isn't there any more. */
export function removeTablePart(step: string, part: NftTable): void {
  transact(step, part.name, removePart(part), osConstants.errno.ENOENT);
}

/** Sends a transaction. @throws MetactlError METACTL_NO_NFT, METACTL_NFT where it is refused, but for the errno `harmless`. */
export function transact(step: string, table: string, messages: Uint8Array, harmless?: number): void {
  const { refusal, acknowledged } = readOutcome(networkAddon().nfnetlink(messages));
  if (refusal !== undefined && refusal.errno === harmless) return;
  if (refusal !== undefined || acknowledged === 0) throw nftError(step, table, refusal);
}

/** What the kernel says to a subsystem or an expression that it was built without. */
const LACKING = new Set([osConstants.errno.EINVAL, osConstants.errno.EOPNOTSUPP, osConstants.errno.ENOENT]);

function nftError(step: string, table: string, refusal: Refusal | undefined): MetactlError {
  const errno = refusal?.errno ?? osConstants.errno.EPROTO;
  const lacking = refusal !== undefined && LACKING.has(errno);
  const words = refusal?.text ? ` (the kernel says: ${refusal.text})` : '';
  return new MetactlError(`can't ${step} ${table}: ${getSystemErrorName(-errno)}${words}`, {
    code: lacking ? 'METACTL_NO_NFT' : 'METACTL_NFT',
    step,
    path: table,
    errno,
    syscall: 'nfnetlink',
    hint: lacking
      ? 'the kernel lacks something of nf_tables: metactl doctor tells what'
      : 'look at `nft list ruleset` and at the kernel log',
  });
}
