import type { CommandName } from './commands.ts';
import type { FirewallFigures } from './firewalls.ts';
import type { Mode, Result } from './launcher.ts';
import { LOG_METACTL, LOG_NODE, type LogFigures } from './logs.ts';
import type { ManyApps } from './many-apps.ts';
import type { ManyDaemons } from './many-daemons.ts';
import type { NetworkFigures } from './network.ts';
import { METACTL_RESTART, type RestartFigures } from './restarts.ts';
import type { Missing } from './rivals.ts';
import type { CrashFigures } from './supervision/crashes.ts';
import { NODE, PLAIN, SANDBOXED, type SupervisionFigures } from './supervision/measure.ts';

/** Everything that was measured; a part that was not asked for is undefined. */
export interface Measured {
  readonly launches?: readonly Result[];
  /** Rivals of the launches that could not run. */
  readonly missing?: readonly Missing[];
  readonly daemons?: ManyDaemons;
  readonly apps?: ManyApps;
  readonly firewalls?: FirewallFigures;
  readonly network?: NetworkFigures;
  readonly logs?: LogFigures;
  readonly restarts?: RestartFigures;
  readonly supervision?: SupervisionFigures;
  readonly crashes?: CrashFigures;
  readonly commands?: Readonly<Record<CommandName, Result>>;
}

/** One promise of the project and what came of it. `value` must not be above `limit`. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: '×' | 'ms' | 'kB' | 'more';
  readonly passed: boolean;
}

export const WARM = 'metactl, network there';
export const COLD = 'metactl, network and cgroups made';
export const RIVAL = 'bwrap, equal features';

/** What was not measured is not passed. */
function gate(name: string, value: number, limit: number, unit: Gate['unit']): Gate {
  return { name, value, limit, unit, passed: Number.isFinite(value) && value <= limit };
}

/** Ratios are what counts: both sides were measured side by side, and absolute times drift with the machine. Pure. */
export function evaluate(measured: Measured): Gate[] {
  return [
    ...(['hot', 'idle'] as const).flatMap((mode) => launchGates(measured.launches ?? [], mode)),
    ...(measured.daemons === undefined ? [] : daemonGates(measured.daemons)),
    ...(measured.restarts === undefined ? [] : restartGates(measured.restarts)),
    ...(measured.supervision === undefined ? [] : supervisionGates(measured.supervision)),
    ...(measured.crashes === undefined ? [] : crashGates(measured.crashes)),
    ...(measured.apps === undefined ? [] : appGates(measured.apps)),
    ...(measured.firewalls === undefined ? [] : firewallGates(measured.firewalls)),
    ...(measured.network === undefined ? [] : networkGates(measured.network)),
    ...(measured.logs === undefined ? [] : logGates(measured.logs)),
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

/** A promise in itself: however slow others are, a stable daemon is back at once. */
function restartGates({ results }: RestartFigures): Gate[] {
  const p50 = (name: string) => results.find((result) => result.name === name)?.first.p50;
  const own = p50(METACTL_RESTART);
  if (own === undefined) return [];
  const others = results.filter(({ name }) => name !== METACTL_RESTART).map(({ first }) => first.p50);
  return [
    gate('restart of a stable daemon, p50', own / 1000, 2, 'ms'),
    ...(others.length === 0
      ? []
      : [gate("restart of a stable daemon, p50, to the fastest rival's", own / Math.min(...others), 1, '×')]),
  ];
}

/** What issue 4 promises: times within a live supervisor, the restart ahead of all. */
function supervisionGates({ count, supervisors, status }: SupervisionFigures): Gate[] {
  const own = supervisors.find(({ name }) => name === SANDBOXED);
  const plain = supervisors.find(({ name }) => name === PLAIN);
  const exit = (name: string) => status.find((one) => one.name === name)?.exit.p50 ?? Number.POSITIVE_INFINITY;
  if (own?.requested === undefined || plain?.requested === undefined) return [];
  const rivals = supervisors.filter(({ requested }) => requested === undefined);
  return [
    gate(`restart of one of ${count}, p50`, own.restart.p50 / 1000, 2, 'ms'),
    ...(rivals.length === 0
      ? []
      : [
          gate(
            `restart of one of ${count}, p50, to the fastest rival's`,
            own.restart.p50 / Math.min(...rivals.map(({ restart }) => restart.p50)),
            1,
            '×',
          ),
        ]),
    gate(`start of ${count}, sandboxed`, own.requested.start.p50 / 1000, 150, 'ms'),
    gate(`start of ${count}, enabled = no`, plain.requested.start.p50 / 1000, 250, 'ms'),
    gate(`stop of ${count}, sandboxed`, own.requested.stop.p50 / 1000, 100, 'ms'),
    gate(`supervisor with ${count}, RSS`, own.rss, 60_000, 'kB'),
    gate('largest metactl-init, PSS', own.initPss ?? Number.POSITIVE_INFINITY, 32, 'kB'),
    gate('metactl status of 25, to node -e 0', exit(SANDBOXED) / exit(NODE), 1.35, '×'),
  ];
}

/**
 * From the first fifth of the restarts to the last; whether the daemon is there just then makes a difference of a few. What V8 has
 * not collected yet makes one of 2 MB even between the lowest of two fifths: after collections it was 0.7 MB less (14,000 restarts).
 */
function crashGates({ samples }: CrashFigures): Gate[] {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const during = `during ${last.cycle - first.cycle} restarts`;
  return [
    gate(`descriptors, ${during}`, last.descriptors - first.descriptors, 16, 'more'),
    gate(`cgroups, ${during}`, last.cgroups - first.cgroups, 0, 'more'),
    gate(`namespaces, ${during}`, last.namespaces - first.namespaces, 16, 'more'),
    gate(`memory of the supervisor, ${during}`, last.memory - first.memory, 4000, 'kB'),
  ];
}

function appGates({ count, coldFirst, coldLast, warmFirst, warmLast }: ManyApps): Gate[] {
  return [
    gate(`app ${count}: first start, to the first app's`, coldLast.first.p50 / coldFirst.first.p50, 1.15, '×'),
    gate(`app ${count}: start, to the first app's`, warmLast.first.p50 / warmFirst.first.p50, 1.25, '×'),
  ];
}

/** A packet's look-up costs the same however many firewalls there are; the rest is the noise of thousands of round trips. */
function firewallGates({ count, cold, bwrap, coldLast, tripFirst, tripLast }: FirewallFigures): Gate[] {
  return [
    gate("first start with a firewall, p50, to bwrap's", cold.first.p50 / bwrap.first.p50, 1.6, '×'),
    gate(`firewall ${count}: first start, to the first one's`, coldLast.first.p50 / cold.first.p50, 1.3, '×'),
    gate(`firewall ${count}: round trip through both, to that with two`, tripLast.p50 / tripFirst.p50, 1.1, '×'),
  ];
}

function networkGates({ roundTrip, throughput }: NetworkFigures): Gate[] {
  return [
    gate("veth: round trip, to a hand-made pair's", roundTrip.metactl.p50 / roundTrip.plain.p50, 1.05, '×'),
    // Less is worse here, so the ratio is turned over.
    gate(
      "veth: hand-made pair's throughput, to metactl's",
      throughput.plain.p50 / throughput.metactl.p50,
      1 / 0.95,
      '×',
    ),
  ];
}

/** From one machine: Node's pipe 0.25 s, metactl may take 0.35 s. */
function logGates({ keepers }: LogFigures): Gate[] {
  const find = (name: string) => keepers.find((keeper) => keeper.name === name);
  const metactl = find(LOG_METACTL);
  const node = find(LOG_NODE);
  if (metactl === undefined || node === undefined) return [];
  return [
    gate("a million lines: writer blocked, to a plain Node pipe's", metactl.blocked.p50 / node.blocked.p50, 1.4, '×'),
    gate('a million lines: memory, at its peak', metactl.grown ?? Number.POSITIVE_INFINITY, 20_000, 'kB'),
  ];
}

function commandGates({ node, ip, config, run }: Readonly<Record<CommandName, Result>>): Gate[] {
  return [
    gate('metactl ip, to node -e 0', ip.exit.p50 / node.exit.p50, 1.25, '×'),
    gate('metactl config, to node -e 0', config.exit.p50 / node.exit.p50, 1.35, '×'),
    gate('metactl run to first instruction, beyond node -e 0', (run.first.p50 - node.exit.p50) / 1000, 40, 'ms'),
  ];
}
