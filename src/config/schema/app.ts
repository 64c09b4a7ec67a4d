import { CRONTAB_EXPECTED, crontabExpectation, parseCrontabLine } from '../crontab.ts';
import type { KeySpec, SectionSpec } from '../types.ts';
import { ADMINISTRATORS } from './layers.ts';
import { LONGEST_TIMER } from './lifecycle.ts';
import { SYSTEMD } from './systemd.ts';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const VARIABLE_EXPECTED = 'a name of letters, digits and _';

/** The rest of an app's configuration: what is neither a daemon's nor the sandbox's. */
export const ENV: readonly SectionSpec[] = [
  {
    name: 'env',
    doc: 'Environment variables of all daemons.',
    keyPattern: VARIABLE,
    keyExpected: VARIABLE_EXPECTED,
    keys: [{ key: '*', type: 'text', doc: 'The value; `""` is the empty one.' }],
  },
  {
    name: 'env.*',
    doc: 'Environment variables of one daemon; they win over `[env]` of any layer.',
    keyPattern: VARIABLE,
    keyExpected: VARIABLE_EXPECTED,
    keys: [{ key: '*', type: 'text', doc: 'The value; `""` is the empty one.' }],
  },
];

const cronOptions: readonly KeySpec[] = [
  { key: 'time-zone', type: 'text', doc: 'Time zone of the schedule; default: that of the host.' },
  {
    key: 'overlap',
    type: 'enum',
    values: ['forbid', 'allow', 'replace'],
    default: 'forbid',
    doc: 'What happens when a job is due while it still runs.',
  },
  { key: 'timeout-sec', type: 'duration', max: LONGEST_TIMER, doc: 'How long a job may run.' },
  {
    key: 'randomized-delay-sec',
    type: 'duration',
    default: '0',
    max: LONGEST_TIMER,
    doc: 'Random delay up to this long.',
  },
];

/** Default of `[trust] daemons-max`. */
export const MOST_ADDED_DAEMONS = '16';

export const APP: readonly SectionSpec[] = [
  {
    name: 'crontab',
    doc: 'Jobs: a label, and a line of crontab(5). The command goes to `/bin/sh -c` inside the sandbox.',
    keys: [
      {
        key: '*',
        type: 'text',
        read: (text) => (parseCrontabLine(text) === undefined ? undefined : text),
        expected: CRONTAB_EXPECTED,
        expectedInstead: crontabExpectation,
        unbuilt: 'harmless',
        doc: "`minute hour day month weekday command`, or `@daily command` and its kin. A time as in crontab(5), without a user: it runs as the app's.",
      },
    ],
  },
  {
    name: 'cron.*',
    doc: 'Options of the job of that label.',
    keys: cronOptions.map((key) => ({ ...key, unbuilt: key.key === 'timeout-sec' ? 'protects' : 'harmless' })),
  },
  {
    name: 'app',
    doc: 'The app itself.',
    layers: ['node'],
    keys: [
      {
        key: 'directory',
        type: 'path',
        doc: 'The app directory of an app that metactl does not deploy.',
      },
    ],
  },
  {
    name: 'trust',
    doc: 'How far the developers of the app are trusted.',
    layers: ['node'],
    keys: [
      {
        key: 'application',
        type: 'enum',
        values: ['limited', 'full'],
        default: 'limited',
        doc: '`full`: `.metactl` may set what the site layer may.',
      },
      {
        key: 'daemons-max',
        type: 'integer',
        default: MOST_ADDED_DAEMONS,
        min: 0,
        layers: ADMINISTRATORS,
        doc: 'How many daemons `.metactl` may have beside those that site and node files name. Each has limits of its own: those that site and node files set for other daemons are not theirs, and without any in `.metactl` memory, CPU and tasks are not limited. 0: none.',
      },
    ],
  },
  {
    name: 'build',
    doc: 'Where the app comes from and how it is built.',
    keys: (
      [
        { key: 'repo', type: 'text', layers: ADMINISTRATORS, doc: 'URL of the repository.' },
        { key: 'tag', type: 'text', layers: ADMINISTRATORS, doc: 'Tag to build.' },
        { key: 'branch', type: 'text', layers: ADMINISTRATORS, doc: 'Branch to build.' },
        { key: 'revision', type: 'text', layers: ADMINISTRATORS, doc: 'Revision to build.' },
        { key: 'command', type: 'command', doc: 'Build command.' },
        { key: 'artifact', type: 'text', layers: ADMINISTRATORS, doc: 'What of the built tree is the release.' },
        { key: 'keep', type: 'integer', default: '5', min: 1, layers: ADMINISTRATORS, doc: 'Releases that are kept.' },
        { key: 'network', type: 'boolean', default: 'yes', layers: ADMINISTRATORS, doc: 'no: builds have no network.' },
      ] as const
    ).map((key) => ({ ...key, unbuilt: 'harmless' as const })),
  },
  {
    name: 'deploy',
    doc: 'How a release replaces another.',
    keys: [
      {
        key: 'min-healthy-time',
        type: 'duration',
        max: LONGEST_TIMER,
        default: '10s',
        unbuilt: 'harmless',
        doc: 'How long a new release must be well.',
      },
    ],
  },
  {
    name: 'service',
    doc: 'Units of the service manager.',
    layers: ADMINISTRATORS,
    keys: [
      {
        key: 'unit',
        type: 'enum',
        values: ['daemon', 'app'],
        default: 'daemon',
        doc: 'What `metactl install` makes: one unit for each daemon, or one that supervises all daemons of the app.',
      },
    ],
  },
  {
    name: 'hooks',
    doc: 'Commands that run outside the sandbox when something happens.',
    layers: ADMINISTRATORS,
    keys: [
      { key: 'on-ready', type: 'command', unbuilt: 'harmless', doc: 'A daemon became ready.' },
      { key: 'on-failure', type: 'command', unbuilt: 'protects', doc: 'A daemon failed.' },
      { key: 'on-oom', type: 'command', unbuilt: 'protects', doc: 'A daemon was killed for memory.' },
      { key: 'on-stop', type: 'command', unbuilt: 'harmless', doc: 'A daemon stopped.' },
    ],
  },
  ...SYSTEMD,
];
