import type { AppConfig, KeySpec } from '../config/types.ts';
import type { CommandLine, Need, Platform } from './platform.ts';
import { checkable, inAppDirectory, keyError, needOf, refuseCommand } from './settings.ts';

const MEBIBYTE = 1024 * 1024;

const keys: readonly KeySpec[] = [
  {
    key: 'node.script',
    type: 'command',
    default: '.',
    doc: 'The script and its arguments, relative to the app directory; `.` starts what `main` in package.json names, or index.js.',
  },
  { key: 'node.arguments', type: 'list', doc: 'Further arguments of the script.' },
  { key: 'node.home', type: 'path', doc: "Directory of the Node.js to use (its `bin/node`); without it, PATH's." },
  { key: 'node.options', type: 'list', doc: 'Options of node itself, such as `--enable-source-maps`.' },
  {
    key: 'node.heap.max',
    type: 'size',
    unit: 'bytes',
    doc: "Largest size of V8's old generation (--max-old-space-size), in whole mebibytes.",
  },
];

/** A Node.js program. */
export const node: Platform = {
  name: 'node',
  doc: 'A Node.js program: `node.script`, by default what package.json names.',
  keys,
  defaults: () => ({ 'node.script': '.' }),
  command: nodeCommand,
};

/** @throws MetactlError (78) for a heap that is not whole mebibytes, or a `command`. */
function nodeCommand(config: AppConfig, daemon: string): CommandLine {
  const section = `daemon.${daemon}`;
  refuseCommand(config, daemon, 'node');
  const home = config.text(section, 'node.home');
  const binary = home === undefined ? 'node' : `${home}/bin/node`;
  const [script = '.', ...scriptArguments] = config.words(section, 'node.script') ?? [];
  const path = inAppDirectory(config, script);
  const needs: Need[] = [
    // `node lib/server` also finds lib/server.js and a directory's index.js: only a full file name can be checked.
    /\.[cm]?js$/.test(path)
      ? needOf(config, daemon, 'node.script', { path, what: 'script', kind: 'file' })
      : { path: config.directory, what: 'app directory', kind: 'directory' },
  ];
  if (home !== undefined)
    needs.push(needOf(config, daemon, 'node.home', { path: binary, what: 'node', kind: 'executable' }));
  return {
    argv: [
      binary,
      ...heapOption(config, daemon),
      ...(config.words(section, 'node.options') ?? []),
      path,
      ...scriptArguments,
      ...(config.words(section, 'node.arguments') ?? []),
    ],
    env: {},
    needs: checkable(config, needs),
  };
}

function heapOption(config: AppConfig, daemon: string): readonly string[] {
  const bytes = config.number(`daemon.${daemon}`, 'node.heap.max');
  if (bytes === undefined) return [];
  if (!Number.isFinite(bytes) || bytes < MEBIBYTE || bytes % MEBIBYTE !== 0) {
    throw keyError(config, daemon, 'node.heap.max', 'expected a whole number of mebibytes', 'for example 256m');
  }
  return [`--max-old-space-size=${bytes / MEBIBYTE}`];
}
