import type { KeySpec } from '../types.ts';
import { ADMINISTRATORS } from './layers.ts';

const PROBE = /^(?:notify|fd:\d{1,3}|tcp:\d{1,5}|http:(?:\d{1,5})?\/\S*|exec:\S.*|log:.+)$/;
const readProbe = (text: string) => (PROBE.test(text) ? text : undefined);
const PROBE_EXPECTED = 'notify, fd:N, tcp:PORT, http:[PORT]/path, exec:COMMAND or log:REGEX';

/** How it is known that a daemon is ready and well. */
export const PROBE_KEYS: readonly KeySpec[] = [
  {
    key: 'ready',
    type: 'text',
    read: readProbe,
    expected: PROBE_EXPECTED,
    unbuilt: 'harmless',
    doc: 'How it is known that the daemon has started.',
  },
  {
    key: 'ready.timeout',
    type: 'duration',
    default: '90s',
    unbuilt: 'harmless',
    doc: 'How long it may take to become ready.',
  },
  {
    key: 'health',
    type: 'text',
    read: readProbe,
    expected: PROBE_EXPECTED,
    unbuilt: 'protects',
    doc: 'How it is known that the daemon is well.',
  },
  { key: 'health.interval', type: 'duration', default: '10s', unbuilt: 'harmless', doc: 'Pause between two probes.' },
  { key: 'health.timeout', type: 'duration', default: '3s', unbuilt: 'harmless', doc: 'How long a probe may take.' },
  {
    key: 'health.threshold',
    type: 'integer',
    default: '3',
    min: 1,
    unbuilt: 'harmless',
    doc: 'Failures in a row that count as not well.',
  },
  {
    key: 'health.grace',
    type: 'duration',
    default: '0',
    unbuilt: 'harmless',
    doc: 'Time after the start during which failures do not count.',
  },
  {
    key: 'health.action',
    type: 'enum',
    values: ['restart', 'alert', 'none'],
    default: 'restart',
    unbuilt: 'harmless',
    doc: 'What happens to a daemon that is not well.',
  },
];

/** Logs of a daemon. */
export const LOG_KEYS: readonly KeySpec[] = [
  {
    key: 'log.to',
    type: 'enum',
    values: ['file', 'journal', 'syslog', 'stdout'],
    layers: ADMINISTRATORS,
    doc:
      'Where output goes: `file` is `/var/log/metactl/APP/DAEMON.log`, `journal` and `syslog` the log daemons of the system, ' +
      '`stdout` the output of the supervisor. `run` passes output through in any case, and writes it nowhere else unless this is set.',
  },
  {
    key: 'log.max-size',
    type: 'size',
    default: '50m',
    min: 1 << 20,
    onlyLess: 'at-most-default',
    doc: 'Size at which the file is rotated; rotated ones are compressed a little later.',
  },
  {
    key: 'log.rotate',
    type: 'enum',
    values: ['daily', 'size'],
    default: 'daily',
    doc: '`daily`: a new file each day (UTC) too; `size`: only at `log.max-size`.',
  },
  {
    key: 'log.max-files',
    type: 'integer',
    default: '30',
    min: 0,
    onlyLess: 'at-most-default',
    doc: 'Rotated files that are kept.',
  },
  {
    key: 'log.max-age',
    type: 'duration',
    default: '30d',
    onlyLess: 'at-most-default',
    doc: 'Age at which rotated files are deleted.',
  },
];

/** What a daemon needs from others, and how many of it there are. */
export const FURTHER_KEYS: readonly KeySpec[] = [
  {
    key: 'depends-on.*',
    type: 'enum',
    values: ['started', 'ready'],
    doc: 'Start only after another daemon of the app has started or is ready; stop before it.',
  },
  {
    key: 'listen.*',
    type: 'text',
    read: (text) => (/^(?:tcp:(?:[^\s:]+:)?\d{1,5}|unix:\/\S+)$/.test(text) ? text : undefined),
    expected: 'tcp:[ADDRESS:]PORT or unix:/path',
    unbuilt: 'harmless',
    doc: 'A socket that the supervisor opens and hands over.',
  },
  {
    key: 'instances',
    type: 'integer',
    default: '1',
    min: 1,
    max: 1000,
    unbuilt: 'harmless',
    doc: 'How many of this daemon run.',
  },
];
