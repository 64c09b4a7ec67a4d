import type { SandboxPlan } from '../../sandbox/plan.ts';
import { everyStep } from '../../util/every-step.ts';
import { hideIn } from '../../util/secrets.ts';
import type { ConfigChanges } from '../control/config-changes.ts';
import { isOver } from '../control/outcome.ts';
import { idleRecord, type StatusRecord, statusRecord } from '../control/status-record.ts';
import { FirewallWatch, type FirewallWatchOptions } from '../firewall-watch.ts';
import type { DaemonGroup } from '../state/group.ts';
import type { Dependencies } from '../state/order.ts';
import type { Unit } from './unit.ts';

/** All that goes with one app. */
export interface AppState {
  readonly name: string;
  readonly units: Map<string, Unit>;
  /** Preparing and replacing of units goes one after the other; waiting for daemons does not. */
  work: Promise<unknown>;
  firewall: FirewallWatch | undefined;
  changes: ConfigChanges | undefined;
  group: DaemonGroup | undefined;
  dependencies: Dependencies;
}

/** Nothing of it is known yet. Pure. */
export function newAppState(name: string): AppState {
  return {
    name,
    units: new Map(),
    work: Promise.resolve(),
    firewall: undefined,
    changes: undefined,
    group: undefined,
    dependencies: new Map(),
  };
}

/** Something of it runs, or will. */
export function isAlive(unit: Unit | undefined): boolean {
  return unit !== undefined && !isOver(unit.daemon.status());
}

/** It runs, or is on its way; not where it only waits for its next start. */
export function isHeld(unit: Unit): boolean {
  return isAlive(unit) && unit.daemon.status().state !== 'backoff';
}

/** See Supervisor.stayFound. */
export function stayFoundApps(apps: ReadonlyMap<string, AppState>): Promise<void> {
  const units = [...apps.values()].flatMap((app) => [...app.units.values()]);
  return everyStep(
    units.map(
      ({ handle }) =>
        () =>
          handle.stayFound(),
    ),
  );
}

/** One watch for all daemons of an app: they share the firewall. It works through whichever is held. */
export function watchFirewall(
  app: AppState,
  plan: SandboxPlan['firewall'],
  options: Pick<FirewallWatchOptions, 'host' | 'paths' | 'log'>,
): void {
  void app.firewall?.close();
  app.firewall = undefined;
  if (plan === undefined) return;
  const held = () => [...app.units.values()].find(({ handle }) => handle.isOpen)?.handle;
  const handle = {
    renewFirewall: async (to: typeof plan) => (await held()?.renewFirewall(to)) ?? true,
    keepFirewall: async () => (await held()?.keepFirewall()) ?? true,
  };
  const log = (line: string) => options.log(hideIn(line, [...app.units.values()].at(-1)?.spec.secrets ?? []));
  app.firewall = new FirewallWatch({ ...options, app: app.name, handle, plan, log });
}

const SUPERVISOR = { pid: process.pid, kind: 'standalone' } as const;

/** Those that were started, then the others of the configuration as it is now. What was taken out of it is there while it runs. */
export function recordsOf(app: AppState): StatusRecord[] {
  const all = [...app.units.values()];
  const spec = all.at(-1)?.spec;
  const configured = app.changes?.daemons ?? [];
  const units = all.filter((unit) => configured.includes(unit.name) || isAlive(unit));
  const idle = configured.filter((daemon) => !app.units.has(daemon));
  return [
    ...units.map((unit) => recordOf(app, unit, configured.includes(unit.name))),
    ...idle.map((daemon) => idleRecord({ node: spec!.node, app: app.name, daemon }, SUPERVISOR)),
  ];
}

function recordOf(app: AppState, unit: Unit, configured: boolean): StatusRecord {
  const { spec, daemon, handle, cpuBefore, loss } = unit;
  const status = daemon.status();
  return statusRecord({
    node: spec.node,
    status: status.state === 'starting' ? { ...status, statusText: unit.waitsFor ?? status.statusText } : status,
    usage: handle.usage(),
    ...{ cpuBefore, loss },
    address: spec.address,
    address6: spec.address6,
    configured,
    changed: isAlive(unit) ? (app.changes?.of(unit.name, spec.fingerprint) ?? []) : [],
    supervisor: SUPERVISOR,
  });
}
