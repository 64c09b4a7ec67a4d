import { type Addon, addon } from './addon.ts';

declare const pending: unique symbol;

/** The addon's part for networks. Addresses are dotted IPv4; link indices are 0 for "none". Throws MetactlError. */
declare module './addon.ts' {
  interface Addon {
    /**
     * makeNetns with all of an app's inside: the veth pair (host end left down), `veth0` up with `address`/32, the default route
     * through it, lo up. It goes on beside the caller until `finishNetwork`.
     */
    startNetwork(path: string, hostLink: string, address: string): PendingNetwork;
    /** Waits for it; once. @returns the namespace's descriptor. @throws MetactlError what failed. */
    finishNetwork(pending: PendingNetwork): number;
    /** Makes what is missing of that in a namespace that is there. */
    repairNetwork(netns: number, hostLink: string, address: string): void;
    /** @returns a descriptor, or undefined where nothing is pinned on `path`. */
    openNetns(path: string): number | undefined;
    /** Makes a directory a shared mount point, as `ip netns add` does. */
    prepareNetnsDirectory(path: string): void;
    readLink(name: string): Link | undefined;
    /**
     * Configures the host end and brings it up, with its alias, host route and (unless `uplink` is 0) forwarding and a
     * proxy-neighbour entry. Repeatable. @returns whether the link was new.
     */
    connectHost(hostLink: string, alias: string, address: string, uplink: number): boolean;
    /** Takes host route and proxy-neighbour entry away, if they are there. */
    disconnectHost(link: number, address: string, uplink: number): void;
    deleteLink(index: number): void;
    /** Gives a link that the kernel is about to take away another name, so that its own is free at once. */
    retireLink(index: number, name: string): void;
    /** A gratuitous ARP request on an Ethernet link. */
    announce(link: number, address: string): void;
    /** An ARP probe on an Ethernet link (RFC 5227). */
    probe(link: number, address: string): void;
    /** A non-blocking descriptor; each read gives one ARP packet of the link, without a link-layer header. */
    listenArp(link: number): number;
    hasNftTable(name: string): boolean;
    /** Sends finished messages to nfnetlink. @returns the answers, one behind the other. */
    nfnetlink(messages: Uint8Array): Uint8Array;
    /** Entries of a table of iptables-legacy; asking for one that isn't loaded would load it. undefined: it can't be read. */
    readIptables(table: string): { readonly forward: number; readonly entries: Uint8Array } | undefined;
  }
}

/** A network that is being made. */
export interface PendingNetwork {
  readonly [pending]: true;
}

export interface Link {
  readonly index: number;
  /** '' without one. */
  readonly alias: string;
  /** net.ipv4.conf.<link>.forwarding */
  readonly forwarding: boolean;
}

export function networkAddon(): Addon {
  return addon();
}
