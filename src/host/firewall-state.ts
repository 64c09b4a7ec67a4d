import type { FirewallPlan } from '../sandbox/plan.ts';

export interface FirewallState {
  /** As it is in force. */
  readonly plan: FirewallPlan;
  /** Milliseconds since the epoch. */
  readonly resolvedAt: number;
  /** Whether the kernel has all of the rules. */
  readonly inForce: boolean;
  /** Since the app was started. */
  readonly refused: { readonly packets: number; readonly bytes: number };
  /** Where the app was refused to connect to, the last first; what has ports only, and not longer ago than 15 minutes. */
  readonly destinations: readonly RefusedDestination[];
}

export interface RefusedDestination {
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
  readonly packets: number;
  readonly bytes: number;
  /** Milliseconds since the last packet. */
  readonly agoMs: number;
}
