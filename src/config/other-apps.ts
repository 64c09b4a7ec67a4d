import { isAbsolute, join, normalize } from 'node:path';
import { MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { administratorsFiles, type LayerFile, readLayer } from './layers.ts';
import { listApps, ownDirectory } from './load.ts';
import { inspectNode } from './node-config.ts';
import { readConfigFile } from './read-file.ts';
import { scan } from './scan.ts';
import { unquote } from './values.ts';

/** Where the files of the other apps are, for hiding them. */
export interface OtherApps {
  /** Absolute, as told or `current`; symbolic links not resolved, perhaps not there. */
  readonly directories: readonly string[];
  /** What could not be found out, and so is not hidden. */
  readonly warnings: readonly string[];
}

/**
 * The app directories of all other apps of this node. Reads no more of their node files than `[app]`: every start does
 * this, and there may be hundreds. Never fails: a broken file of one app must not stop the others.
 */
export function otherApps(paths: Paths, app: string): OtherApps {
  const directories: string[] = [];
  const warnings: string[] = [];
  for (const other of names(paths, app, warnings)) {
    const file = administratorsFiles(paths, other).node;
    try {
      const found = directoryOf(paths, other, file);
      if ('why' in found) warnings.push(unknown(other, file, found.why));
      else if (isAbsolute(found.directory)) directories.push(normalize(found.directory).replace(/(?<=.)\/+$/, ''));
    } catch (error) {
      if (!(error instanceof MetactlError)) throw error;
      warnings.push(unknown(other, file, error.message));
    }
  }
  return { directories, warnings };
}

function names(paths: Paths, app: string, warnings: string[]): string[] {
  try {
    return listApps(paths).filter((other) => other !== app);
  } catch (error) {
    if (!(error instanceof MetactlError)) throw error;
    warnings.push(`${error.message}; directories of other apps outside ${paths.lib} are not hidden from ${app}`);
    return [];
  }
}

function unknown(app: string, file: string, why: string): string {
  return `${file}: ${why}; the directory of ${app} is not known and so not hidden from others (see metactl check ${app})`;
}

function directoryOf(paths: Paths, app: string, file: string): { directory: string } | { why: string } {
  const read = readConfigFile(file, true);
  if ('problem' in read) return { why: read.problem.message };
  const { items, problems } = 'text' in read ? scan(appSections(read.text), file) : { items: [], problems: [] };
  // An empty value unsets it.
  const written = items.findLast((item) => item.kind === 'entry' && item.section === 'app' && item.key === 'directory');
  const raw = written?.kind === 'entry' ? written.raw : '';
  const value = raw.includes('%') ? interpolated(paths, app, file) : unquote(raw);
  if (value === undefined || (value === '' && problems.length > 0)) {
    return { why: problems[0]?.message ?? '[app] directory can not be read' };
  }
  return { directory: value === '' ? join(paths.appHome(app), 'current') : value };
}

/** The `[app]` sections of a node file. A header is what begins with `[`, as the scanner has it. Pure. */
function appSections(text: string): string {
  const parts = text.split(/^(?=[ \t]*\[)/m);
  return parts.filter((part) => /^[ \t]*\[app\]/.test(part)).join('\n');
}

/** Other names of the file may be in it, so here all of it is read. */
function interpolated(paths: Paths, app: string, file: string): string | undefined {
  const layer: LayerFile | undefined = readLayer('node', file);
  const { node } = inspectNode(paths);
  const basics = { app, node: node.name, site: node.site, stateDirectory: paths.stateDirectory(app) };
  return ownDirectory(layer, basics)?.text;
}
