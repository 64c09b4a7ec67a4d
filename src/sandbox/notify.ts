import { parseProbe } from '../config/probe.ts';
import type { AppConfig } from '../config/types.ts';
import type { SandboxPlan } from './plan.ts';

/** The notify socket's path in every sandbox: in /run, which the app can't write. */
export const NOTIFY_INSIDE = '/run/notify';

/** Whether a daemon talks to its supervisor by sd_notify(3). Pure. */
export function notifies(config: AppConfig, daemon: string): boolean {
  const section = `daemon.${daemon}`;
  return config.text(section, 'ready') === 'notify' || config.number(section, 'watchdog-sec') !== undefined;
}

/** The descriptor of `ready = fd:N`. Pure. */
export function readyDescriptor(config: AppConfig, daemon: string): { readyDescriptor?: number } {
  const probe = parseProbe(config.text(`daemon.${daemon}`, 'ready') ?? '');
  return probe?.kind === 'fd' ? { readyDescriptor: probe.fd } : {};
}

/** What tells the daemon about it. Pure. */
export function notifyEnvironment(config: AppConfig, daemon: string, socket: string): Record<string, string> {
  const watchdog = config.number(`daemon.${daemon}`, 'watchdog-sec');
  return {
    NOTIFY_SOCKET: socket,
    ...(watchdog === undefined ? {} : { WATCHDOG_USEC: String(Math.round(watchdog * 1000)) }),
  };
}

/** The plan of something else in the same sandbox, which must not speak for the daemon. Pure. */
export function withoutNotify(plan: SandboxPlan): SandboxPlan {
  const { notify, readyDescriptor: _, ...rest } = plan;
  if (notify === undefined) return rest;
  const { NOTIFY_SOCKET, WATCHDOG_USEC, ...env } = plan.process.env;
  const steps = plan.root.steps.filter((step) => step.op !== 'bind' || step.source !== notify);
  return { ...rest, root: { ...plan.root, steps }, process: { ...plan.process, env } };
}
