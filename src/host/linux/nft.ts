import { execFile } from 'node:child_process';
import { MetactlError } from '../../util/error.ts';
import { LINK_PREFIX } from './network-name.ts';

/** An uplink as it was before metactl changed it. */
export interface Claim {
  readonly uplink: string;
  /** Values of net.ipv4.conf.<uplink>.forwarding and net.ipv4.neigh.<uplink>.proxy_delay. */
  readonly forwarding: string;
  readonly proxyDelay: string;
}

/**
 * The node's base table. Nothing in it depends on an app: links go by their prefix, and the address that belongs to a
 * link is told by the host route to it.
 *
 * Whoever switched on the forwarding of an uplink made a router of it; packets from there go to metactl's apps only.
 * The empty chain `uplink-…` tells other roots' metactl what the uplink was like before, for they see it changed. Pure.
 */
export function baseTable(table: string, claims: readonly Claim[]): string {
  const links = `"${LINK_PREFIX}*"`;
  const drops = claims
    .filter((claim) => claim.forwarding === '0')
    .map((claim) => `\t\tmeta nfproto ipv4 iifname "${claim.uplink}" oifname != ${links} drop\n`);
  const chains = claims.map((claim) => `\tchain ${claimName(claim)} {\n\t}\n`);
  return (
    // Declared first, so that deleting it never fails: all of it is one transaction.
    `table inet ${table} {\n}\ndelete table inet ${table}\n` +
    `table inet ${table} {\n` +
    `\tchain anti-spoof {\n\t\ttype filter hook prerouting priority raw; policy accept;\n` +
    `\t\tiifname ${links} fib saddr . iif oif missing drop\n\t}\n` +
    `\tchain forward {\n\t\ttype filter hook forward priority filter; policy accept;\n${drops.join('')}\t}\n` +
    `${chains.join('')}}\n`
  );
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

/** Claims in the tables of other roots' nodes, from the text of `nft -j list chains`. Pure. */
export function otherClaims(json: string, own: string): Claim[] {
  const { nftables } = JSON.parse(json) as { nftables: { chain?: { family: string; table: string; name: string } }[] };
  return nftables.flatMap(({ chain }) => {
    if (chain === undefined || chain.family !== 'inet' || chain.table === own) return [];
    return /^metactl(-[0-9a-f]{4})?$/.test(chain.table) ? (parseClaim(chain.name) ?? []) : [];
  });
}

export async function loadBaseTable(table: string, claims: readonly Claim[]): Promise<void> {
  await nft(['-f', '-'], 'load the nft table', table, baseTable(table, claims));
}

/** Removes the table, if it is there. */
export async function removeBaseTable(table: string): Promise<void> {
  await nft(['-f', '-'], 'remove the nft table', table, `table inet ${table} {\n}\ndelete table inet ${table}\n`);
}

export async function readOtherClaims(table: string): Promise<Claim[]> {
  return otherClaims(await nft(['-j', 'list', 'chains'], 'list nft chains', table), table);
}

/** Root runs it: a fixed search path, no shell, and nothing of the caller's environment. */
const ENVIRONMENT = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin', LC_ALL: 'C' };

function nft(args: readonly string[], step: string, table: string, input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: ENVIRONMENT, cwd: '/', timeout: 30_000, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile('nft', args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(nftError(error, step, table, stderr));
    });
    // Where nft can't be started, or ends before it has read all, the callback above tells.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function nftError(error: Error, step: string, table: string, stderr: string): MetactlError {
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
  const said = stderr.trim().split('\n')[0] ?? '';
  return new MetactlError(
    absent ? "can't start nft: it isn't installed" : `can't ${step} ${table}: ${said || error.message}`,
    {
      code: absent ? 'METACTL_NO_NFT' : 'METACTL_NFT',
      step,
      path: table,
      cause: error,
      hint: absent ? 'install the package nftables' : 'look at `nft list ruleset` and at the kernel log',
    },
  );
}
