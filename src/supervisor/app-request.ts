import { DEFAULT_TMP_SIZE } from '../config/schema/sandbox.ts';
import type { AppRequest } from '../host/host.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { parseSize } from '../util/size.ts';
import type { Prepared } from './prepare.ts';

/** What the host must make and hold for one planned daemon. Pure. */
export function appRequest(
  { paths, node, config, state }: Prepared,
  plan: SandboxPlan,
  onWarning?: (text: string) => void,
): AppRequest {
  return {
    paths,
    node,
    app: plan.app,
    daemon: plan.daemon,
    network: plan.network,
    ...(plan.firewall === undefined ? {} : { firewall: plan.firewall }),
    owner: { uid: state.uid, gid: state.gid, mode: state.mode },
    ...(plan.userNamespace === undefined ? {} : { ids: plan.userNamespace.first }),
    ...(plan.notify === undefined ? {} : { notify: plan.notify }),
    ...notifyAccess(plan),
    stateDirectory: config.stateDirectory,
    logDirectory: config.logDirectory,
    limits: { limits: plan.limits, bestEffort: plan.bestEffort },
    temporarySize: plan.sandboxed ? (config.number('sandbox', 'tmp-size') ?? parseSize(DEFAULT_TMP_SIZE)) : undefined,
    ...(onWarning === undefined ? {} : { onWarning }),
  };
}

/**
 * Outside of a sandbox all users of the machine would reach the socket, and who fills it keeps signs of life away until the
 * watchdog ends the daemon. One that is started as root, and becomes somebody else by itself, may speak as its `group`.
 */
function notifyAccess({ notify, sandboxed, identity }: SandboxPlan): Pick<AppRequest, 'notifyAccess'> {
  if (notify === undefined || sandboxed) return {};
  const { uid, gid } = identity;
  return { notifyAccess: { mode: uid === 0 && gid !== 0 ? 0o660 : 0o600, uid, gid } };
}
