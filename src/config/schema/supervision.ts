import { formatDuration } from '../../util/duration.ts';
import { HEALTH_EXPECTED, parseHealth, parseProbe, READY_EXPECTED } from '../probe.ts';
import type { KeySpec } from '../types.ts';
import { ADMINISTRATORS } from './layers.ts';
import { LONGEST_TIMER } from './lifecycle.ts';

const readReady = (text: string) => (parseProbe(text) === undefined ? undefined : text);
const readHealth = (text: string) => (parseHealth(text) === undefined ? undefined : text);

/** What `.metactl` may set as `ready.timeout`, and how long a daemon may draw out its start in all. ms */
export const LONGEST_START = 30 * 60_000;

/** How it is known that a daemon is ready and well. */
export const PROBE_KEYS: readonly KeySpec[] = [
  {
    key: 'ready',
    type: 'text',
    read: readReady,
    expected: READY_EXPECTED,
    doc: 'How it is known that the daemon has started: it says so by sd_notify(3), or by a newline written to descriptor N; a port accepts connections; a web server answers 200 to 399; a command, run inside, ends with 0; a line of its output matches (RE2 syntax, at most 250 instructions: repeat counts multiply them).',
  },
  {
    key: 'ready.timeout',
    type: 'duration',
    default: '90s',
    min: 1,
    max: LONGEST_TIMER,
    onlyLess: 'at-most-default',
    bound: formatDuration(LONGEST_START),
    doc: 'How long it may take to become ready; one that takes longer has failed. From `.metactl` at most 30min, or what site or node file sets.',
  },
  {
    key: 'health',
    type: 'text',
    read: readHealth,
    expected: HEALTH_EXPECTED,
    doc: 'How it is known that the daemon is well, once it is ready. What a command leaves running is ended with it, here and in `ready`.',
  },
  {
    key: 'health.interval',
    type: 'duration',
    default: '10s',
    min: 100,
    max: LONGEST_TIMER,
    onlyLess: 'at-least-default',
    bound: '1s',
    doc: 'Pause between two probes. From `.metactl` at least 1s, or what site or node file sets.',
  },
  {
    key: 'health.timeout',
    type: 'duration',
    default: '3s',
    min: 10,
    max: LONGEST_TIMER,
    doc: 'How long a probe may take.',
  },
  {
    key: 'health.threshold',
    type: 'integer',
    default: '3',
    min: 1,
    doc: 'Failures in a row that count as not well.',
  },
  {
    key: 'health.grace',
    type: 'duration',
    default: '0',
    max: LONGEST_TIMER,
    doc: 'Time after the start during which failures do not count.',
  },
  {
    key: 'health.action',
    type: 'enum',
    values: ['restart', 'alert', 'none'],
    default: 'restart',
    doc: 'What happens to a daemon that is not well: it is started again; or it is only told; or not even that.',
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
      '`stdout` the output of the supervisor. `run` passes output through in any case, and writes it nowhere else unless this is set; ' +
      '`run --unit` in a unit of systemd writes to the journal unless this is set, and passes nothing through.',
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
