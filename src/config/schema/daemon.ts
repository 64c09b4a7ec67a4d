import { formatLimit, LIMITS, parseLimit } from '../limit.ts';
import { readSignal, readStatuses } from '../signals.ts';
import type { KeySpec, Layer, SectionSpec } from '../types.ts';
import { readValue } from '../values.ts';

/** Keys that say who or what the daemon is for the host: never an application's to choose (DESIGN §3, Trust). */
export const ADMINISTRATORS: readonly Layer[] = ['site', 'node'];

/** Longest timer Node can set (2^31 − 1 ms), rounded down: longer ones would fire at once. */
const LONGEST_TIMER = 24 * 86_400_000;

const PROBE = /^(?:notify|fd:\d{1,3}|tcp:\d{1,5}|http:(?:\d{1,5})?\/\S*|exec:\S.*|log:.+)$/;
const readProbe = (text: string) => (PROBE.test(text) ? text : undefined);
const PROBE_EXPECTED = 'notify, fd:N, tcp:PORT, http:[PORT]/path, exec:COMMAND or log:REGEX';

const identity: readonly KeySpec[] = [
  {
    key: 'user',
    type: 'text',
    layers: ADMINISTRATORS,
    doc: 'User to run as. Without it the app gets an id of its own, leased from `[node] uid-range`.',
  },
  { key: 'group', type: 'text', layers: ADMINISTRATORS, doc: 'Group to run as; default: the group of the user.' },
  {
    key: 'supplementary-groups',
    type: 'list',
    layers: ADMINISTRATORS,
    doc: 'Further groups, by name.',
  },
];

/** Where nothing is set, a limit is what metactl was started with; a bound is the kernel's own default. */
const LIMIT_BOUNDS: Readonly<Record<string, string>> = {
  core: '0',
  memlock: '8m',
  msgqueue: '819200',
  nice: '0',
  rtprio: '0',
  stack: '8m:infinity',
};

function limit(name: string): KeySpec {
  const bound = LIMIT_BOUNDS[name];
  // These two have no fixed default (the kernel derives it from the memory there is), so "less" can't be told.
  const layers = name === 'nproc' || name === 'sigpending' ? { layers: ADMINISTRATORS } : {};
  return {
    key: `limit-${name}`,
    type: 'text',
    expected: 'N, infinity or SOFT:HARD',
    read: (text) => {
      const value = parseLimit(name, text);
      return value === undefined ? undefined : formatLimit(value);
    },
    measure: (value) => parseLimit(name, String(value)) ?? [],
    onlyLess: 'at-most-default',
    ...(name === 'nofile' ? { default: '1024:524288' } : {}),
    ...(bound === undefined ? {} : { bound }),
    ...layers,
    doc: `RLIMIT_${name.toUpperCase()} of setrlimit(2).`,
  };
}

const process: readonly KeySpec[] = [
  {
    key: 'working-directory',
    type: 'path',
    doc: 'Working directory inside the sandbox; default: the app directory.',
  },
  { key: 'umask', type: 'octal', default: '022', doc: 'File mode creation mask.' },
  {
    key: 'nice',
    type: 'integer',
    default: '0',
    min: -20,
    max: 19,
    onlyLess: 'at-least-default',
    doc: 'Scheduling priority; higher is less favourable.',
  },
  {
    key: 'oom-score-adjust',
    aliases: ['oom-score-adj'],
    type: 'integer',
    default: '0',
    min: -1000,
    max: 1000,
    layers: ADMINISTRATORS,
    doc: "The kernel's inclination to kill the daemon when memory runs out; -1000 is never.",
  },
  ...LIMITS.map(limit),
];

const lifecycle: readonly KeySpec[] = [
  {
    key: 'restart',
    type: 'enum',
    values: ['no', 'on-failure', 'always'],
    default: 'on-failure',
    doc: 'When a daemon that ended is started again.',
  },
  {
    key: 'restart-sec',
    type: 'duration',
    default: '100ms',
    max: LONGEST_TIMER,
    doc: 'First pause between an end and the next start; doubles with every further failure.',
  },
  { key: 'restart-max-delay-sec', type: 'duration', default: '30s', max: LONGEST_TIMER, doc: 'Longest such pause.' },
  {
    key: 'restart-reset-sec',
    type: 'duration',
    default: '30s',
    max: LONGEST_TIMER,
    doc: 'A daemon that ran this long is stable: its pauses start anew.',
  },
  {
    key: 'restart-prevent-exit-status',
    type: 'list',
    read: readStatusList,
    expected: 'exit statuses (0 to 255) and signal names',
    doc: 'Exit statuses and signals after which it is never started again.',
  },
  {
    key: 'success-exit-status',
    type: 'list',
    read: readStatusList,
    expected: 'exit statuses (0 to 255) and signal names',
    doc: 'Exit statuses and signals that count as success, beside 0, SIGHUP, SIGINT, SIGTERM and SIGPIPE.',
  },
  {
    key: 'start-limit-burst',
    type: 'integer',
    default: '0',
    min: 0,
    unbuilt: 'protects',
    builtValues: ['0'],
    doc: 'Give up after so many starts within `start-limit-interval-sec`; 0: never.',
  },
  {
    key: 'start-limit-interval-sec',
    type: 'duration',
    default: '10min',
    unbuilt: 'harmless',
    doc: 'The interval of `start-limit-burst`.',
  },
  {
    key: 'kill-signal',
    type: 'text',
    read: (text) => (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64 ? text : readSignal(text)),
    expected: 'a signal such as SIGTERM',
    doc: 'Signal that asks the daemon to stop; default: the one that metactl itself got, else SIGTERM.',
  },
  {
    key: 'timeout-stop-sec',
    type: 'duration',
    default: '30s',
    max: LONGEST_TIMER,
    doc: 'How long a daemon may take to stop before SIGKILL.',
  },
  {
    key: 'reload-signal',
    type: 'text',
    default: 'SIGHUP',
    read: readSignal,
    expected: 'a signal such as SIGHUP',
    unbuilt: 'harmless',
    doc: 'Signal that makes the daemon read its configuration anew.',
  },
  {
    key: 'watchdog-sec',
    type: 'duration',
    unbuilt: 'protects',
    doc: 'Restart the daemon unless it reports life at least this often.',
  },
];

const probes: readonly KeySpec[] = [
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

const resources: readonly KeySpec[] = [
  {
    key: 'memory-max',
    type: 'size',
    unit: 'bytes',
    min: 1,
    onlyLess: 'at-most-default',
    doc: 'Hard limit of memory; above it processes are killed.',
  },
  {
    key: 'memory-high',
    type: 'size',
    unit: 'bytes',
    min: 1,
    onlyLess: 'at-most-default',
    doc: 'Above it the daemon is slowed down and its memory reclaimed (cgroup v2).',
  },
  {
    key: 'memory-swap-max',
    type: 'size',
    unit: 'bytes',
    onlyLess: 'at-most-default',
    doc: 'Limit of swap, not counting memory.',
  },
  {
    key: 'cpu-quota',
    type: 'percent',
    min: 0.01,
    onlyLess: 'at-most-default',
    expected: 'a percentage of one CPU such as 50% or 200%',
    doc: 'Limit of CPU time; 100% is one whole CPU.',
  },
  {
    key: 'cpu-weight',
    type: 'integer',
    bound: '100',
    min: 1,
    max: 10_000,
    onlyLess: 'at-most-default',
    doc: 'Share of CPU time under contention; what is not set counts as 100.',
  },
  {
    key: 'tasks-max',
    type: 'integer',
    min: 1,
    onlyLess: 'at-most-default',
    doc: 'Limit of processes and threads.',
  },
  {
    key: 'io-weight',
    type: 'integer',
    bound: '100',
    min: 1,
    max: 10_000,
    onlyLess: 'at-most-default',
    doc: 'Share of disk time under contention; what is not set counts as 100.',
  },
];

const logs: readonly KeySpec[] = [
  {
    key: 'log.max-size',
    type: 'size',
    default: '50m',
    min: 1,
    onlyLess: 'at-most-default',
    unbuilt: 'harmless',
    doc: 'Size at which the log is rotated.',
  },
  {
    key: 'log.max-files',
    type: 'integer',
    default: '10',
    min: 0,
    onlyLess: 'at-most-default',
    unbuilt: 'harmless',
    doc: 'Rotated logs that are kept.',
  },
  {
    key: 'log.max-age',
    type: 'duration',
    default: '30d',
    onlyLess: 'at-most-default',
    unbuilt: 'harmless',
    doc: 'Age at which rotated logs are deleted.',
  },
  {
    key: 'log.timestamp',
    type: 'enum',
    values: ['iso', 'none'],
    default: 'iso',
    unbuilt: 'harmless',
    doc: 'Time stamp in front of each line.',
  },
];

const further: readonly KeySpec[] = [
  {
    key: 'depends-on.*',
    type: 'enum',
    values: ['started', 'ready'],
    unbuilt: 'harmless',
    doc: 'Start only after another daemon of the app has started or is ready.',
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

function readStatusList(text: string): readonly string[] | undefined {
  const words = readValue({ key: '', type: 'list', doc: '' }, text) as readonly string[] | undefined;
  return words === undefined ? undefined : readStatuses(words);
}

export const DAEMON: SectionSpec = {
  name: 'daemon.*',
  doc: 'One daemon: a long-running entry point of the app. The keys of its platform come on top of these.',
  keys: [
    {
      key: 'platform',
      aliases: ['container'],
      type: 'text',
      default: 'exec',
      doc: 'How the command line is made.',
    },
    {
      key: 'command',
      type: 'command',
      doc: 'What to execute (platform `exec`): words by the quoting rules of systemd, never a shell.',
    },
    ...identity,
    ...process,
    ...resources,
    ...lifecycle,
    ...probes,
    ...further,
    ...logs,
  ],
};
