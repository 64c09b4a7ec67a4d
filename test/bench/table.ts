import { align, us } from './align.ts';
import { type Gate, type Measured, RIVAL } from './gates.ts';
import type { Result } from './launcher.ts';
import type { Missing } from './rivals.ts';
import type { Summary } from './statistics.ts';
import { crashTable } from './supervision/crashes.ts';
import { supervisionTable } from './supervision/table.ts';

function ratio(value: Summary, of: Summary | undefined): string {
  return of === undefined ? '' : `${(value.p50 / of.p50).toFixed(2)} (${(value.p95 / of.p95).toFixed(2)})`;
}

function launchRow(result: Result, all: readonly Result[]): string[] {
  const rival = all.find(({ name, mode }) => name === RIVAL && mode === result.mode);
  const { first, exit } = result;
  return [
    result.name,
    result.mode,
    String(first.n),
    us(first.p50),
    us(first.p95),
    us(exit.p50),
    us(exit.p95),
    ratio(first, rival?.first),
  ];
}

const HEAD = ['', 'mode', 'n', 'first p50', 'p95', 'exit p50', 'p95', '× bwrap p50 (p95)'];

/** The whole report as text. Times in µs. Pure. */
export function printTable(measured: Measured, missing: readonly Missing[], gates: readonly Gate[]): string {
  const parts: string[] = [];
  const { launches, daemons, restarts, supervision, crashes, apps, firewalls, network, commands, logs } = measured;
  if (launches !== undefined) {
    parts.push('Launches: call to first instruction, and to the end of all of it, µs');
    parts.push(align([HEAD, ...launches.map((result) => launchRow(result, launches))]));
    for (const { name, reason } of missing) parts.push(`${name}: does not run here (${reason})`);
  }
  if (daemons !== undefined) {
    const { count, metactl, bwrap, initPss, bwrapPss } = daemons;
    parts.push(
      `\n${count} at once from one process: call to the last first instruction, µs; and what each keeps, kB PSS`,
    );
    parts.push(
      align([
        ['', 'n', 'p50', 'p95', 'PSS'],
        [`metactl, ${count} daemons of one app`, String(metactl.n), us(metactl.p50), us(metactl.p95), String(initPss)],
        [`${count} × ${RIVAL}`, String(bwrap.n), us(bwrap.p50), us(bwrap.p95), String(bwrapPss)],
      ]),
    );
  }
  if (restarts !== undefined) {
    parts.push("\nRestart of a stable daemon: SIGKILL to its successor's first instruction, µs");
    const row = ({ name, first }: { name: string; first: Summary }) => [
      name,
      String(first.n),
      us(first.p50),
      us(first.p95),
    ];
    parts.push(align([['', 'n', 'p50', 'p95'], ...restarts.results.map(row)]));
    for (const { name, reason } of restarts.missing) parts.push(`${name}: does not run here (${reason})`);
  }
  if (supervision !== undefined) parts.push(...supervisionTable(supervision));
  if (crashes !== undefined) parts.push(...crashTable(crashes));
  if (apps !== undefined) {
    const { coldFirst, warmFirst, coldLast, warmLast } = apps;
    parts.push(`\nThe first app of a node and number ${apps.count}, beside ${apps.count - 1} that run, µs`);
    parts.push(align([HEAD, ...[coldFirst, coldLast, warmFirst, warmLast].map((result) => launchRow(result, []))]));
  }
  if (firewalls !== undefined) {
    const { count, cold, bwrap, coldLast, tripFirst, tripLast } = firewalls;
    parts.push(`\nFirewalls: beside two, and last beside ${count - 1}, µs`);
    parts.push(align([HEAD, ...[cold, bwrap].map((one) => launchRow(one, [bwrap])), launchRow(coldLast, [])]));
    parts.push(
      align([
        ['round trip from app to app', 'n', 'p50', 'p95'],
        ['two firewalls', String(tripFirst.n), tripFirst.p50.toFixed(1), tripFirst.p95.toFixed(1)],
        [`${count} firewalls`, String(tripLast.n), tripLast.p50.toFixed(1), tripLast.p95.toFixed(1)],
      ]),
    );
  }
  if (network !== undefined) {
    parts.push(
      `\nFrom the host to an app and to a namespace behind a hand-made veth pair, ${network.runs} runs each in turns`,
    );
    const row = (name: string, { n, p50, p95 }: Summary) => [name, String(n), p50.toFixed(1), p95.toFixed(1)];
    parts.push(
      align([
        ['', 'n', 'p50', 'p95'],
        row('TCP ping-pong, µs: metactl', network.roundTrip.metactl),
        row('TCP ping-pong, µs: by hand', network.roundTrip.plain),
        row('iperf3, Mbit/s: metactl', network.throughput.metactl),
        row('iperf3, Mbit/s: by hand', network.throughput.plain),
      ]),
    );
  }
  if (logs !== undefined) {
    parts.push(
      `\n${logs.lines.toLocaleString('en-US')} lines of 100 bytes: how long the writer was blocked, ms, and memory, kB`,
    );
    const cell = (value: number | undefined) => (value === undefined ? '' : Math.round(value).toLocaleString('en-US'));
    parts.push(
      align([
        ['', 'n', 'p50', 'p95', 'grown by'],
        ...logs.keepers.map(({ name, blocked, grown }) => [
          name,
          ...[String(blocked.n), cell(blocked.p50), cell(blocked.p95), cell(grown)],
        ]),
      ]),
    );
  }
  if (commands !== undefined) {
    const { node, ip, config, run } = commands;
    parts.push('\nCommands, µs');
    parts.push(align([HEAD, ...[node, ip, config, run].map((result) => launchRow(result, []))]));
  }
  parts.push('\nGates');
  parts.push(
    align([
      ['', 'measured', 'limit', ''],
      ...gates.map(({ name, value, limit, unit, passed }) => [
        name,
        `${value.toFixed(unit === 'kB' || unit === 'more' ? 0 : 2)} ${unit}`,
        `${limit.toFixed(unit === 'kB' || unit === 'more' ? 0 : 2)} ${unit}`,
        passed ? 'PASS' : 'FAIL',
      ]),
    ]),
  );
  return parts.join('\n');
}
