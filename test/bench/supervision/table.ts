import { align, us } from '../align.ts';
import type { SupervisionFigures } from './measure.ts';

const HEAD = ['', 'start', 'asked', 'stop', 'asked', 'restart', 'p95', 'RSS kB', 'PSS kB'];

/** Pure. */
export function supervisionTable({ count, supervisors, missing, status }: SupervisionFigures): string[] {
  return [
    `\n${count} daemons in a live supervisor, p50 in µs: from the command (and from the request to the supervisor itself) to the last`,
    'first instruction, and until none is left; SIGKILL of a stable daemon to its successor; memory with all running',
    align([
      HEAD,
      ...supervisors.map(({ name, start, stop, requested, restart, rss, pss }) => [
        ...[name, us(start.p50), requested === undefined ? '' : us(requested.start.p50)],
        ...[us(stop.p50), requested === undefined ? '' : us(requested.stop.p50)],
        ...[us(restart.p50), us(restart.p95), us(rss), us(pss)],
      ]),
    ]),
    ...missing.map(({ name, reason }) => `${name}: does not run here (${reason})`),
    '\nStatus of 25 daemons, the whole command, µs',
    align([
      ['', 'n', 'p50', 'p95'],
      ...status.map(({ name, exit }) => [name, String(exit.n), us(exit.p50), us(exit.p95)]),
    ]),
  ];
}
