import { parseEndpoint } from '../config/endpoint.ts';
import type { AppConfig, Setting } from '../config/types.ts';
import { type Destination, destinationBoxes, MOST_ELEMENTS, resolverEntries } from '../util/destinations.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { isLoopbackAddress } from '../util/loopback.ts';
import type { FirewallEntry, FirewallPlan } from './plan.ts';

/** What the host's resolver says about a name. */
export interface Resolution {
  readonly addresses: readonly string[];
  /** An error name of getaddrinfo, such as ENOTFOUND, or ETIMEOUT. */
  readonly problem?: string;
}

/** By name, as `firewallNames` gives them. */
export type Resolutions = ReadonlyMap<string, Resolution>;

/** Not looked up: for plans that nothing is started from. */
export const UNRESOLVED: Resolutions = new Map();

/** The names in `[firewall.out.accept]`, each once; none where there is no firewall. Pure. */
export function firewallNames(config: AppConfig): string[] {
  if (!hasFirewall(config)) return [];
  const names = config.section('firewall.out.accept').flatMap(({ text }) => {
    const host = parseEndpoint(text)?.host;
    return host?.kind === 'name' ? [host.name] : [];
  });
  return [...new Set(names)];
}

/**
 * The app's firewall as configured; undefined where everything is allowed. Pure. `resolvConf` is the sandbox's own.
 * `ownNetwork`: the app has a link of its own, whose packets can be told apart.
 * @throws MetactlError (78) where a policy is set that can't be kept.
 */
export function planFirewall(
  config: AppConfig,
  names: Resolutions,
  { resolvConf, network }: { readonly resolvConf: string; readonly network: 'own' | 'none' | 'shared' },
): FirewallPlan | undefined {
  if (!hasFirewall(config)) return undefined;
  // Nothing gets out of there anyway.
  if (network === 'none') return undefined;
  if (network === 'shared') throw unenforceable(config.setting('firewall.out', 'policy'));
  const resolvers = resolversOf(resolvConf);
  const entries = config.section('firewall.out.accept').map((setting) => entryOf(setting, names));
  return {
    policy: config.text('firewall.out', 'policy') === 'drop' ? 'drop' : 'reject',
    accept: fitting(entries, resolvers, () => []),
    resolvers,
    resolveInterval: config.number('firewall.out', 'resolve-interval') ?? 60_000,
  };
}

/**
 * Refuses a firewall that the kernel and its administrator would be at work on for minutes. Pure.
 * @throws MetactlError METACTL_FIREWALL_TOO_LARGE (78)
 */
export function requireSmall(config: AppConfig, { accept, resolvers }: FirewallPlan): void {
  if (isSmall(accept, resolvers)) return;
  const { file, line } = config.section('firewall.out.accept')[0]!.origin;
  throw new MetactlError(
    `${file}:${line}: [firewall.out.accept] is more than ${MOST_ELEMENTS} networks and ports, once what overlaps is cut`,
    {
      code: 'METACTL_FIREWALL_TOO_LARGE',
      step: 'plan the firewall',
      path: file,
      hint: 'name fewer ports of the same networks, or wider networks',
      exitStatus: EXIT.configuration,
    },
  );
}

/** A plan with what was found out since about its names. Pure. */
export function withNames(plan: FirewallPlan, names: Resolutions): FirewallPlan {
  const accept = plan.accept.map((entry) => renewed(entry, names));
  return { ...plan, accept: fitting(accept, plan.resolvers, (index) => plan.accept[index]!.networks) };
}

/** The names of a plan, each once. Pure. */
export function namesOf(plan: FirewallPlan): string[] {
  return [...new Set(plan.accept.flatMap(({ name }) => name ?? []))];
}

/**
 * A name that is gone (ENOTFOUND) allows nothing any more; one that can't be asked about now keeps its last addresses, so
 * that a resolver's failure stops no app. Pure.
 */
function renewed({ problem: _, ...entry }: FirewallEntry, names: Resolutions): FirewallEntry {
  const found = entry.name === undefined ? undefined : names.get(entry.name);
  if (found === undefined) return entry;
  const { addresses, problem } = found;
  if (problem === undefined) return { ...entry, networks: addresses };
  return { ...entry, networks: problem === 'ENOTFOUND' ? [] : entry.networks, problem };
}

/**
 * A name's owner can give it any number of addresses. Where all together are too many for the kernel, the names with the most
 * have a problem and get what `otherwise` says, so that nobody from outside can stop the app.
 */
function fitting(
  entries: readonly FirewallEntry[],
  resolvers: readonly string[],
  otherwise: (index: number) => readonly string[],
): FirewallEntry[] {
  const fitted = [...entries];
  const bySize = [...entries.keys()]
    .filter((index) => entries[index]!.name !== undefined)
    .sort((a, b) => entries[b]!.networks.length - entries[a]!.networks.length);
  for (const index of bySize) {
    if (isSmall(fitted, resolvers)) break;
    const entry = entries[index]!;
    const problem = entry.problem ?? `its ${entry.networks.length} addresses are too many`;
    fitted[index] = { ...entry, networks: otherwise(index), problem };
  }
  return fitted;
}

function isSmall(accept: readonly Destination[], resolvers: readonly string[]): boolean {
  const all = [...accept, ...resolvers.flatMap(resolverEntries)];
  return (['4', '6'] as const).every((family) => destinationBoxes(family, all) !== undefined);
}

function hasFirewall(config: AppConfig): boolean {
  return (config.text('firewall.out', 'policy') ?? 'accept') !== 'accept';
}

function entryOf({ key, text }: Setting, names: Resolutions): FirewallEntry {
  const endpoint = parseEndpoint(text)!;
  const { host, ports, protocol } = endpoint;
  const rest = { ...(ports === undefined ? {} : { ports }), ...(protocol === undefined ? {} : { protocol }) };
  if (host.kind === 'network') return { label: key, text, networks: [host.network], ...rest };
  const { addresses, problem } = names.get(host.name) ?? { addresses: [], problem: 'not looked up' };
  return {
    label: key,
    text,
    name: host.name,
    networks: addresses,
    ...(problem === undefined ? {} : { problem }),
    ...rest,
  };
}

/** Addresses without a zone: those of links can't be told apart by address alone. */
function resolversOf(resolvConf: string): string[] {
  const addresses = resolvConf
    .split('\n')
    .flatMap((line) => /^nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
    .map((address) => address.replace(/%.*$/, ''))
    .filter((address) => !isLoopbackAddress(address));
  return [...new Set(addresses)];
}

function unenforceable(policy: Setting | undefined): MetactlError {
  const where = policy === undefined ? '' : `${policy.origin.file}:${policy.origin.line}: `;
  return new MetactlError(`${where}[firewall.out] policy = ${policy?.text} needs a network of the app's own`, {
    code: 'METACTL_NO_FIREWALL',
    step: 'plan the firewall',
    hint: 'take the policy out, or give the app a sandbox and a [sandbox.net] mode with a network of its own',
    exitStatus: EXIT.configuration,
  });
}
