import { join } from 'node:path';
import { readConfigFile } from './read-file.ts';
import { type EntryItem, type HeaderItem, scan } from './scan.ts';
import type { Layer, Problem } from './types.ts';

/** One configuration file as read: its items, and what is wrong with it. */
export interface LayerFile {
  readonly layer: Layer;
  readonly file: string;
  readonly headers: readonly HeaderItem[];
  readonly entries: readonly EntryItem[];
  readonly problems: readonly Problem[];
}

/** A text to take in place of a file's contents: what an editor has just written, before it is installed. */
export interface Replacement {
  readonly file: string;
  readonly text: string;
}

/**
 * Reads one file of a layer; undefined where there is none.
 * @throws MetactlError METACTL_NEEDS_ROOT (77)
 */
export function readLayer(layer: Layer, file: string, replacement?: Replacement): LayerFile | undefined {
  if (replacement?.file === file) return scanned(layer, file, replacement.text);
  const read = readConfigFile(file, layer !== 'application');
  if ('absent' in read) return undefined;
  if ('text' in read) return scanned(layer, file, read.text);
  const problem: Problem = { ...read.problem, file, line: read.line, column: read.line === 0 ? 0 : 1 };
  return { layer, file, headers: [], entries: [], problems: [problem] };
}

function scanned(layer: Layer, file: string, text: string): LayerFile {
  const { items, problems } = scan(text, file);
  return {
    layer,
    file,
    headers: items.filter((item) => item.kind === 'header'),
    entries: items.filter((item) => item.kind === 'entry'),
    problems,
  };
}

/** Names of the files of the site and node layers of an app, lowest first. */
export function administratorsFiles(paths: { siteDirectory: string; nodesDirectory: string }, app: string) {
  return {
    defaults: join(paths.siteDirectory, '_defaults.conf'),
    site: join(paths.siteDirectory, `${app}.conf`),
    node: join(paths.nodesDirectory, `${app}.conf`),
  };
}
