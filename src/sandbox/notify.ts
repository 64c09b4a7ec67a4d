import { parseProbe } from '../config/probe.ts';
import type { AppConfig } from '../config/types.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { SandboxPlan } from './plan.ts';

/** The notify socket's path in every sandbox: in /run, which the app can't write. */
export const NOTIFY_INSIDE = '/run/notify';

/** Whether a daemon talks to its supervisor by sd_notify(3). Pure. */
export function notifies(config: AppConfig, daemon: string): boolean {
  const section = `daemon.${daemon}`;
  const keeps = storeMax(config, daemon) > 0;
  return keeps || config.text(section, 'ready') === 'notify' || config.number(section, 'watchdog-sec') !== undefined;
}

/** How many descriptors it may leave for its next start. Pure. */
export function storeMax(config: AppConfig, daemon: string): number {
  return config.number(`daemon.${daemon}`, 'file-descriptor-store-max') ?? 0;
}

/** By sd_listen_fds(3). */
const FIRST_STORED = 3;

/** The descriptor of `ready = fd:N`. Pure. @throws MetactlError METACTL_CONFIGURATION (78) where a stored one may have that number. */
export function readyDescriptor(config: AppConfig, daemon: string): { readyDescriptor?: number } {
  const section = `daemon.${daemon}`;
  const probe = parseProbe(config.text(section, 'ready') ?? '');
  if (probe?.kind !== 'fd') return {};
  const most = storeMax(config, daemon);
  const first = FIRST_STORED + most;
  if (most === 0 || probe.fd >= first) return { readyDescriptor: probe.fd };
  const { file, line } = config.setting(section, 'ready')!.origin;
  throw new MetactlError(
    `${file}:${line}: \`ready = fd:${probe.fd}\` can't be: descriptors ${FIRST_STORED} to ${first - 1} are those of \`file-descriptor-store-max = ${most}\``,
    {
      code: 'METACTL_CONFIGURATION',
      step: 'read the configuration',
      hint: `use fd:${first}`,
      exitStatus: EXIT.configuration,
    },
  );
}

/** What tells the daemon about it. Pure. */
export function notifyEnvironment(config: AppConfig, daemon: string, socket: string): Record<string, string> {
  const watchdog = config.number(`daemon.${daemon}`, 'watchdog-sec');
  const most = storeMax(config, daemon);
  return {
    NOTIFY_SOCKET: socket,
    ...(most === 0 ? {} : { FDSTORE: String(most) }),
    ...(watchdog === undefined ? {} : { WATCHDOG_USEC: String(Math.round(watchdog * 1000)) }),
  };
}

/** The plan of something else in the same sandbox, which must not speak for the daemon. Pure. */
export function withoutNotify(plan: SandboxPlan): SandboxPlan {
  const { notify, readyDescriptor: _, ...rest } = plan;
  if (notify === undefined) return rest;
  const { NOTIFY_SOCKET, WATCHDOG_USEC, FDSTORE, ...env } = plan.process.env;
  const steps = plan.root.steps.filter((step) => step.op !== 'bind' || step.source !== notify);
  return { ...rest, root: { ...plan.root, steps }, process: { ...plan.process, env } };
}
