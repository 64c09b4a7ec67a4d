/** What a failed finding keeps from starting: every app, those with a sandbox, with a network of their own, with a pool,
 * with `[firewall.out] policy`. */
export type AppNeed = 'any' | 'sandbox' | 'network' | 'pool' | 'user-namespace' | 'firewall';

/** One capability of this machine, as `metactl doctor` tells it. */
export interface Finding {
  /** Stable: `namespace pid`, `cgroup memory`, `disk /run`. */
  readonly name: string;
  /** `unknown`: only root can tell. */
  readonly state: 'ok' | 'warning' | 'failed' | 'unknown';
  /** What was found and what it means for metactl: one sentence. */
  readonly meaning: string;
  /** The command, or the one step, that mends it; absent where there is nothing to mend. */
  readonly mend?: string;
  /** Which apps can't start because of it; only with `failed`. */
  readonly stops?: readonly AppNeed[];
}
