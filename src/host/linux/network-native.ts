import { type Addon, addon } from './addon.ts';

declare const pending: unique symbol;

/** The addon's part for networks. Addresses are IPv4 or IPv6 texts; link indices are 0 for "none". Throws MetactlError. */
declare module './addon.ts' {
  interface Addon {
    /**
     * makeNetns with all of an app's inside: the veth pair (host end left down), `veth0` up with the addresses, default
     * routes through it, lo up. It goes on beside the caller until `finishNetwork`. `withSysfs`: also the file system that /sys
     * will be there.
     */
    startNetwork(
      path: string,
      hostLink: string,
      addresses: readonly string[],
      begun?: PendingNetns,
      withSysfs?: boolean,
    ): PendingNetwork;
    /** Begins a network namespace without a name, for `startNetwork`. */
    startNetns(): PendingNetns;
    /** Waits for one that nobody took; once. @returns its descriptor. */
    finishNetns(begun: PendingNetns): number;
    /** Waits for it; once. @throws MetactlError what failed. */
    finishNetwork(pending: PendingNetwork): MadeNetwork;
    /** Makes what is missing of that in a namespace that is there. */
    repairNetwork(netns: number, hostLink: string, addresses: readonly string[]): void;
    /** @returns a descriptor, or undefined where nothing is pinned on `path`. */
    openNetns(path: string): number | undefined;
    /** Makes a directory a shared mount point, as `ip netns add` does. */
    prepareNetnsDirectory(path: string): void;
    readLink(name: string): Link | undefined;
    /**
     * Configures the host end and brings it up, with its alias, host routes and proxy-neighbour entries. Repeatable.
     * @returns whether the link was down, as a new one is.
     */
    connectHost(hostLink: string, alias: string, wanted: Connection & HostEnd): boolean;
    /** Takes host routes and proxy-neighbour entries away, if they are there. */
    disconnectHost(link: number, connection: Connection): void;
    /** What of the connection isn't there; `at` counts in `addresses` for routes, in `proxied` for proxies. */
    missingParts(link: number, connection: Connection): { readonly kind: 'route' | 'proxy'; readonly at: number }[];
    /** A non-blocking netlink descriptor that tells of changes of links and routes of the host. */
    watchRoutes(): number;
    /** A non-blocking netlink descriptor that tells of changes of the host's nf_tables. */
    watchRules(): number;
    deleteLink(index: number): void;
    /** Gives a link that the kernel is about to take away another name, so that its own is free at once. */
    retireLink(index: number, name: string): void;
    /** A gratuitous ARP request, or an unsolicited neighbour advertisement, on an Ethernet link. */
    announce(link: number, address: string): void;
    /** An ARP probe (RFC 5227), or a solicitation from nobody (RFC 4862), on an Ethernet link. */
    probe(link: number, address: string): void;
    /** A non-blocking descriptor; each read gives one ARP packet, or neighbour advertisement of the address as an IPv6 packet. */
    listenClaims(link: number, address: string): number;
    hasNftTable(name: string): boolean;
    /** Sends finished messages to nfnetlink. @returns the answers, one behind the other. */
    nfnetlink(messages: Uint8Array): Uint8Array;
    /** Entries of a table of iptables-legacy, or ip6tables-legacy; asking for one that isn't loaded would load it. undefined: it can't be read. */
    readIptables(table: string, ipv6?: boolean): { readonly forward: number; readonly entries: Uint8Array } | undefined;
  }
}

/** How an app's addresses are reached. */
export interface Connection {
  readonly addresses: readonly string[];
  /** Those that the uplink answers for. */
  readonly proxied: readonly string[];
  /** 0 for none. */
  readonly uplink: number;
}

/** net.ipv4.conf.<link>.forwarding and .route_localnet of the host end. */
export interface HostEnd {
  readonly forwarding: boolean;
  readonly routeLocalnet: boolean;
}

declare const begunNetns: unique symbol;

/** A network namespace that is being made. */
export interface PendingNetns {
  readonly [begunNetns]: true;
}

/** A network that is being made. */
export interface PendingNetwork {
  readonly [pending]: true;
}

/** Descriptors, the caller's. */
export interface MadeNetwork {
  readonly netns: number;
  /** Keeps the file system that /sys will be, until it is mounted. None before Linux 5.2, or where nobody asked for it. */
  readonly sysfs?: number;
}

export interface Link {
  readonly index: number;
  /** '' without one. */
  readonly alias: string;
  /** net.ipv4.conf.<link>.forwarding */
  readonly forwarding: boolean;
  /** net.ipv4.conf.<link>.rp_filter is 1 */
  readonly strict: boolean;
}

export function networkAddon(): Addon {
  return addon();
}
