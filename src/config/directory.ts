import { lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, normalize } from 'node:path';
import type { Paths } from '../util/paths.ts';
import * as messages from './messages.ts';
import type { Origin, Problem } from './types.ts';

/** Where an app's files are. */
export interface AppDirectory {
  readonly directory: string;
  /** Name of the release that `current` leads to; '' for an app that metactl does not deploy. */
  readonly release: string;
  /** False: neither deployed nor told by `[app] directory`. */
  readonly exists: boolean;
  readonly problem?: Problem;
}

/**
 * Finds the app directory: what `current` leads to, or `[app] directory` of the node file (DESIGN §3). The way there
 * is the administrators' and may hold links; a release is resolved now, so that a later deployment does not mix in.
 */
export function findDirectory(
  paths: Paths,
  app: string,
  told: { readonly text: string; readonly origin: Origin } | undefined,
): AppDirectory {
  const current = join(paths.appHome(app), 'current');
  const deployed = lstatSync(current, { throwIfNoEntry: false });
  if (told === undefined) {
    if (deployed === undefined) return { directory: current, release: '', exists: false };
    if (!isDirectory(current)) {
      const problem = { ...messages.deadLink(), file: current, line: 0, column: 0 };
      return { directory: current, release: '', exists: false, problem };
    }
    const directory = realpathSync(current);
    return { directory, release: deployed.isSymbolicLink() ? basename(directory) : '', exists: true };
  }
  const { file, line, column } = told.origin;
  const at = { file, line, column };
  const directory = normalize(told.text).replace(/(?<=.)\/+$/, '');
  const without = { directory: isAbsolute(directory) ? directory : current, release: '', exists: false };
  if (!isAbsolute(told.text)) return { ...without, problem: { ...messages.relativePath(told.text), ...at } };
  if (deployed !== undefined) return { ...without, problem: { ...messages.deployedAndDirectory(current), ...at } };
  if (!isDirectory(directory)) return { ...without, problem: { ...messages.noSuchDirectory(told.text), ...at } };
  return { directory, release: '', exists: true };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
