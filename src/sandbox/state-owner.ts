import type { AppConfig } from '../config/types.ts';
import type { HostFacts } from '../host/host.ts';
import { planIdentity } from './identity.ts';

/** Whose the app's state directory is when it is made. */
export interface StateOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  /** Daemons that can't write in it. */
  readonly warnings: readonly string[];
}

/**
 * Decides whose the state directory is, whichever daemon starts first: the user's and group's of the first daemon of the
 * configuration. Where other daemons have another `user` and all are in that group, the group may write, and what is made
 * there stays the group's. Pure but for NSS look-ups.
 * @throws MetactlError (78) as `planIdentity`.
 */
export function planStateOwner(config: AppConfig, leased: number | undefined, facts: HostFacts): StateOwner {
  const daemons = config.daemons.map((name) => ({ name, ...planIdentity(config, name, leased, facts) }));
  const first = daemons[0]!;
  const others = daemons.filter(({ uid }) => uid !== first.uid && uid !== 0);
  const strangers = others.filter(({ gid, groups }) => gid !== first.gid && !groups.includes(first.gid));
  const warnings = strangers.map(
    ({ name, user }) =>
      `[daemon.${name}] user: ${user} can't write the state directory of ${config.app}, which belongs to ${first.user} ` +
      `(daemon ${first.name}, the first); give both the same group`,
  );
  const shared = others.length > 0 && strangers.length === 0;
  return { uid: first.uid, gid: first.gid, mode: shared ? 0o2770 : 0o750, warnings };
}
