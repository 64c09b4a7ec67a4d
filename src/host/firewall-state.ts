import type { FirewallPlan } from '../sandbox/plan.ts';
import type { Paths } from '../util/paths.ts';

/** The part of a host that is about where apps may connect to. */
export interface FirewallHost {
  /** The app's firewall as it is in the kernel now; undefined where it has none, or doesn't run. */
  firewall(paths: Paths, app: string): Promise<FirewallState | undefined>;
  /**
   * Calls `look` soon after somebody took away rules that the app's firewall needs, as far as the system tells. It does not keep
   * the process running. @returns a function that ends it.
   */
  watchFirewall(paths: Paths, app: string, look: () => void): () => void;
  /** The rules that a start would make, in the words of the system's own firewall. Pure. */
  firewallRules(paths: Paths, app: string, link: string, plan: FirewallPlan): Promise<string>;
  /**
   * All addresses of a host name, v4 and v6, as the host's own programs find them; may take as long as a dead resolver makes
   * it. It does not keep the process running. @throws Error with `code`: ENOTFOUND, or another name of getaddrinfo's.
   */
  lookUp(name: string): Promise<readonly string[]>;
}

export interface FirewallState {
  /** As it is in force. */
  readonly plan: FirewallPlan;
  /** Milliseconds since the epoch. */
  readonly resolvedAt: number;
  /** Whether the kernel has all of the rules. */
  readonly inForce: boolean;
  /** Since the app was started. */
  readonly refused: { readonly packets: number; readonly bytes: number };
  /** Where the app was refused to connect to, the last first; not longer ago than 15 minutes. */
  readonly destinations: readonly RefusedDestination[];
}

export interface RefusedDestination {
  readonly address: string;
  readonly protocol: string;
  /** Absent: the protocol has none. */
  readonly port?: number;
  readonly packets: number;
  readonly bytes: number;
  /** Milliseconds since the last packet. */
  readonly agoMs: number;
}
