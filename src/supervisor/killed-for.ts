import type { Host } from '../host/host.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { hostIds } from '../util/ids.ts';

/** Milliseconds that the kernel's log may take to tell. */
const PATIENCE = 300;

/**
 * The call that a daemon was killed for by its filter: the last one of its user since it started.
 * @param since milliseconds since the epoch. @returns undefined where it has no filter, the kernel does not tell, or what reads
 *   it is not there any more. Never rejects: a cause that can't be told must cost nobody his daemons.
 */
export async function killedFor(
  host: Pick<Host, 'filteredCalls'>,
  plan: Pick<SandboxPlan, 'identity' | 'process' | 'userNamespace'>,
  since: number,
): Promise<string | undefined> {
  if (plan.process.seccomp === 'none') return undefined;
  const { uid } = hostIds(plan.identity, plan.userNamespace?.first);
  try {
    const calls = await host.filteredCalls({ uid, since, action: 'kill' }, PATIENCE);
    const last = calls.at(-1);
    if (last === undefined) return undefined;
    // Has tables that a start needs not.
    const { callName } = await import('../sandbox/seccomp/call-name.ts');
    return callName(last.audit, last.number);
  } catch {
    return undefined;
  }
}
