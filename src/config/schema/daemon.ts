import type { KeySpec, SectionSpec } from '../types.ts';
import { ADMINISTRATORS } from './layers.ts';
import { LIFECYCLE_KEYS } from './lifecycle.ts';
import { RESOURCE_KEYS, RLIMIT_KEYS } from './resources.ts';
import { FURTHER_KEYS, LOG_KEYS, PROBE_KEYS } from './supervision.ts';

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
];

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
    ...RLIMIT_KEYS,
    ...RESOURCE_KEYS,
    ...LIFECYCLE_KEYS,
    ...PROBE_KEYS,
    ...FURTHER_KEYS,
    ...LOG_KEYS,
  ],
};
