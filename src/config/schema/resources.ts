import { formatLimit, LIMITS, parseLimit } from '../limit.ts';
import type { KeySpec } from '../types.ts';
import { ADMINISTRATORS } from './layers.ts';

/** What each limit counts, for the documentation. */
const LIMIT_DOCS: Readonly<Record<string, string>> = {
  cpu: 'CPU time: seconds or a duration.',
  rttime: 'Time as a real-time process between two blocking calls: microseconds or a duration.',
  fsize: 'Size of a file that it writes.',
  data: 'Size of its data segment.',
  stack: 'Size of its stack.',
  core: 'Size of a core dump.',
  rss: 'Resident memory; without effect on current kernels.',
  memlock: 'Memory that it may lock.',
  as: 'Address space.',
  msgqueue: 'Bytes in POSIX message queues.',
  nproc: 'Processes of its user; `tasks-max` counts those of the daemon.',
  nofile: 'Open files.',
  locks: 'File locks; without effect on current kernels.',
  sigpending: 'Queued signals of its user.',
  nice: 'How far it may raise its priority: 20 minus the nice value.',
  rtprio: 'Highest real-time priority that it may take.',
};

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
    doc: LIMIT_DOCS[name]!,
  };
}

/** `limit-…`: what one process may use. */
export const RLIMIT_KEYS: readonly KeySpec[] = LIMITS.map(limit);

/** With less the kernel has no room for a process at all; who writes less forgot the unit. */
const LEAST_MEMORY = 1024 * 1024;

/** The daemon, and the first process of its sandbox. */
const LEAST_TASKS = 2;

/** What all processes of a daemon may use together. */
export const RESOURCE_KEYS: readonly KeySpec[] = [
  {
    key: 'memory-max',
    type: 'size',
    unit: 'bytes',
    min: LEAST_MEMORY,
    onlyLess: 'at-most-default',
    doc: 'Hard limit of memory; above it the daemon is killed (on cgroup v1: one process of it).',
  },
  {
    key: 'memory-high',
    type: 'size',
    unit: 'bytes',
    min: LEAST_MEMORY,
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
    min: LEAST_TASKS,
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
