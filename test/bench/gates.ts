import type { CommandName } from './commands.ts';
import type { Mode, Result } from './launcher.ts';
import type { ManyApps } from './many-apps.ts';
import type { ManyDaemons } from './many-daemons.ts';

/** Everything that was measured; a part that was not asked for is undefined. */
export interface Measured {
  readonly launches?: readonly Result[];
  readonly daemons?: ManyDaemons;
  readonly apps?: ManyApps;
  readonly commands?: Readonly<Record<CommandName, Result>>;
}

/** One promise of the project and what came of it. `value` must not be above `limit`. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: '×' | 'ms' | 'kB';
  readonly passed: boolean;
}

export const WARM = 'metactl, network there';
export const COLD = 'metactl, network and cgroups made';
export const RIVAL = 'bwrap, equal features';

function gate(name: string, value: number, limit: number, unit: Gate['unit']): Gate {
  return { name, value, limit, unit, passed: value <= limit };
}

/** Ratios are what counts: both sides were measured side by side, and absolute times drift with the machine. Pure. */
export function evaluate(measured: Measured): Gate[] {
  return [
    ...(['hot', 'idle'] as const).flatMap((mode) => launchGates(measured.launches ?? [], mode)),
    ...(measured.daemons === undefined ? [] : daemonGates(measured.daemons)),
    ...(measured.apps === undefined ? [] : appGates(measured.apps)),
    ...(measured.commands === undefined ? [] : commandGates(measured.commands)),
  ];
}

function launchGates(launches: readonly Result[], mode: Mode): Gate[] {
  const find = (name: string) => launches.find((result) => result.name === name && result.mode === mode)?.first;
  const warm = find(WARM);
  const cold = find(COLD);
  const rival = find(RIVAL);
  if (warm === undefined || cold === undefined || rival === undefined) return [];
  return [
    gate(`${mode}: start, p50, to bwrap's`, warm.p50 / rival.p50, 1 / 3, '×'),
    gate(`${mode}: start, p95, to bwrap's`, warm.p95 / rival.p95, 1 / 2.5, '×'),
    gate(`${mode}: start, p95 − p50`, (warm.p95 - warm.p50) / 1000, 1, 'ms'),
    gate(`${mode}: first start of an app, p50, to bwrap's`, cold.p50 / rival.p50, 0.8, '×'),
  ];
}

function daemonGates({ count, metactl, bwrap, initPss }: ManyDaemons): Gate[] {
  return [
    gate(`${count} daemons, to ${count} bwraps`, metactl.p50 / bwrap.p50, 1 / 3, '×'),
    gate('metactl-init, PSS', initPss, 32, 'kB'),
  ];
}

function appGates({ count, coldFirst, coldLast, warmFirst, warmLast }: ManyApps): Gate[] {
  return [
    gate(`app ${count}: first start, to the first app's`, coldLast.first.p50 / coldFirst.first.p50, 1.15, '×'),
    gate(`app ${count}: start, to the first app's`, warmLast.first.p50 / warmFirst.first.p50, 1.25, '×'),
  ];
}

function commandGates({ node, ip, config, run }: Readonly<Record<CommandName, Result>>): Gate[] {
  return [
    gate('metactl ip, to node -e 0', ip.exit.p50 / node.exit.p50, 1.25, '×'),
    gate('metactl config, to node -e 0', config.exit.p50 / node.exit.p50, 1.35, '×'),
    gate('metactl run to first instruction, beyond node -e 0', (run.first.p50 - node.exit.p50) / 1000, 40, 'ms'),
  ];
}
