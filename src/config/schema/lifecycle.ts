import { constants } from 'node:os';
import { formatDuration } from '../../util/duration.ts';
import { readSignal, readStatuses } from '../signals.ts';
import type { KeySpec } from '../types.ts';
import { readValue } from '../values.ts';

/** Longest timer Node can set (2^31 − 1 ms), rounded down: longer ones would fire at once. */
export const LONGEST_TIMER = 24 * 86_400_000;

/** What `.metactl` may set as `timeout-stop-sec`, and how long a daemon may draw out its stop in all. ms */
export const LONGEST_STOP = 5 * 60_000;

/** When a daemon is started again, and how it is stopped. */
export const LIFECYCLE_KEYS: readonly KeySpec[] = [
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
    onlyLess: 'at-least-default',
    bound: '10ms',
    doc: 'First pause between an end and the next start; doubles with every further failure. From `.metactl` at least 10ms, or what site or node file sets.',
  },
  {
    key: 'restart-max-delay-sec',
    type: 'duration',
    default: '30s',
    max: LONGEST_TIMER,
    onlyLess: 'at-least-default',
    bound: '1s',
    doc: 'Longest such pause. From `.metactl` at least 1s, or what site or node file sets: a daemon that always fails at once must not keep the server busy.',
  },
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
    doc: 'Exit statuses and signals after which it is not started again, whatever `restart` says: only by hand.',
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
    max: 1000,
    doc: 'Give up after so many restarts within `start-limit-interval-sec`; 0: never. Starts by hand do not count.',
  },
  {
    key: 'start-limit-interval-sec',
    type: 'duration',
    default: '10min',
    doc: 'The interval of `start-limit-burst`.',
  },
  {
    key: 'kill-signal',
    type: 'text',
    read: readKillSignal,
    expected: 'a signal such as SIGTERM',
    expectedInstead: (text) =>
      readSignal(text) !== undefined || /^\d{1,2}$/.test(text)
        ? 'a signal that a program can take for the wish to end'
        : undefined,
    doc: 'Signal that asks the daemon to stop; default: the one that metactl itself got, else SIGTERM.',
  },
  {
    key: 'timeout-stop-sec',
    type: 'duration',
    default: '30s',
    max: LONGEST_TIMER,
    onlyLess: 'at-most-default',
    bound: formatDuration(LONGEST_STOP),
    doc: 'How long a daemon may take to stop before SIGKILL for all of it. A JVM is asked for its threads (SIGQUIT) one second before. From `.metactl` at most 5min, or what site or node file sets; and where `.metactl` says `depends-on`, the daemons that stop one after the other may take 10min longer together than the longest time of site and node files.',
  },
  {
    key: 'reload-signal',
    type: 'text',
    read: readSignal,
    expected: 'a signal such as SIGHUP',
    doc: 'Signal that makes the daemon read its configuration anew, such as SIGHUP. The daemon gets it by `metactl reload`, and when the supervisor gets SIGHUP; where it is not set, no signal is sent, since SIGHUP ends a daemon that does not expect it.',
  },
  {
    key: 'watchdog-sec',
    type: 'duration',
    min: 10,
    max: LONGEST_TIMER,
    onlyLess: 'at-least-default',
    bound: '1s',
    doc: 'Restart the daemon unless it reports life (WATCHDOG=1 by sd_notify(3)) at least this often. From `.metactl` at least 1s, or what site or node file sets.',
  },
  {
    key: 'file-descriptor-store-max',
    type: 'integer',
    default: '0',
    min: 0,
    max: 512,
    layers: ADMINISTRATORS,
    doc: 'How many descriptors the daemon may leave (FDSTORE=1 by sd_notify(3)) for its next start, which gets them from 3 on (LISTEN_FDS).',
  },
];

/**
 * Not those that no program can take for a wish to end: SIGSTOP it never sees, SIGCONT is sent with each, SIGTSTP and its kin stop
 * it. SIGWINCH and SIGUSR1 are such wishes of Apache httpd and others.
 */
const NO_WISH = ['SIGSTOP', 'SIGCONT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU', 'SIGCHLD', 'SIGURG'];

function readKillSignal(text: string): string | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    const name = Object.entries(constants.signals).find(([, one]) => one === number)?.[0];
    return number < 1 || number > 64 || NO_WISH.includes(name ?? '') ? undefined : text;
  }
  const name = readSignal(text);
  return name === undefined || NO_WISH.includes(name) ? undefined : name;
}

function readStatusList(text: string): readonly string[] | undefined {
  const words = readValue({ key: '', type: 'list', doc: '' }, text) as readonly string[] | undefined;
  return words === undefined ? undefined : readStatuses(words);
}

import { ADMINISTRATORS } from './layers.ts';
