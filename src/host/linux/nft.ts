import { constants as osConstants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { MetactlError } from '../../util/error.ts';
import { LINK_PREFIX } from './network-name.ts';
import { networkAddon } from './network-native.ts';
import { type NftChainName, type Refusal, readChains, readOutcome } from './nft-answer.ts';
import { listChains, removeTable, replaceTable } from './nft-batch.ts';
import type { Expression, NftTable } from './nft-types.ts';

/** An uplink as it was before metactl changed it. */
export interface Claim {
  readonly uplink: string;
  /** Values of net.ipv4.conf.<uplink>.forwarding and net.ipv4.neigh.<uplink>.proxy_delay. */
  readonly forwarding: string;
  readonly proxyDelay: string;
}

/** What nft(8) calls raw: before connection tracking, so that a forged packet costs nothing. */
const RAW = -300;
const FILTER = 0;

/**
 * The node's base table. Nothing in it depends on an app: links go by their prefix, and the address that belongs to a
 * link is told by the host route to it.
 *
 * Whoever switched on the forwarding of an uplink made a router of it; packets from there go to metactl's apps only.
 * The empty chain `uplink-…` tells other roots' metactl what the uplink was like before, for they see it changed. Pure.
 */
export function baseTable(name: string, claims: readonly Claim[]): NftTable {
  const links = `${LINK_PREFIX}*`;
  const forged: Expression[] = [
    { kind: 'iifname', is: true, name: links },
    { kind: 'forged-source' },
    { kind: 'drop' },
  ];
  const switchedOn = claims.filter((claim) => claim.forwarding === '0');
  const elsewhere = switchedOn.map(({ uplink }): Expression[] => [
    { kind: 'ipv4' },
    { kind: 'iifname', is: true, name: uplink },
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

/** `uplink-0-80-eth0`: forwarding, proxy_delay, device. Pure. */
export function claimName(claim: Claim): string {
  return `uplink-${claim.forwarding}-${claim.proxyDelay}-${claim.uplink}`;
}

/** Pure. @returns undefined for a chain that claims nothing. */
export function parseClaim(chain: string): Claim | undefined {
  const match = /^uplink-(\d+)-(\d+)-(.+)$/.exec(chain);
  if (match === null) return undefined;
  const [, forwarding = '', proxyDelay = '', uplink = ''] = match;
  return { uplink, forwarding, proxyDelay };
}

/** Claims in the tables of other roots' nodes, from the names of all chains of the family inet. Pure. */
export function otherClaims(chains: readonly NftChainName[], own: string): Claim[] {
  return chains.flatMap(({ table, chain }) =>
    table !== own && /^metactl(-[0-9a-f]{4})?$/.test(table) ? (parseClaim(chain) ?? []) : [],
  );
}

/** @throws MetactlError METACTL_NO_NFT where the kernel lacks what the table needs; METACTL_NFT for any other refusal. */
export function loadBaseTable(name: string, claims: readonly Claim[]): void {
  transact('load the nft table', name, replaceTable(baseTable(name, claims)));
}

/** Removes the table, if it is there. */
export function removeBaseTable(name: string): void {
  transact('remove the nft table', name, removeTable(name));
}

export function readOtherClaims(own: string): Claim[] {
  const answers = networkAddon().nfnetlink(listChains());
  const chains = readChains(answers);
  if (chains === undefined) throw nftError('list nft chains', own, readOutcome(answers).refusal);
  return otherClaims(chains, own);
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
      ? 'the kernel needs nf_tables with the expression fib for the family inet (NF_TABLES_INET, NFT_FIB_INET)'
      : 'look at `nft list ruleset` and at the kernel log',
  });
}
