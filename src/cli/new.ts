import { lstatSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { createFile, makeConfigDirectories } from '../config/install.ts';
import { requireAppName } from '../config/names.ts';
import { otherApps } from '../config/other-apps.ts';
import { nodeFileText } from '../config/template.ts';
import { checkAppDirectory } from '../sandbox/app-directory.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';

/** `metactl new APP`: a commented node file to start from. */
export function register(program: Command): void {
  program
    .command('new')
    .description('Write a commented configuration file for a new app on this node. Never overwrites one.')
    .argument('<app>', 'the app')
    .option('--app-dir <dir>', 'where the app is, if metactl does not deploy it')
    .action((app: string, options: { appDir?: string }, command: Command) => {
      const context = contextOf(command);
      const file = createApp(context.paths, app, options.appDir);
      print(
        context.json
          ? jsonText({ app, file })
          : `wrote ${file}\nnext: metactl edit ${app}, where [daemon.web] and its command are behind # so far; then metactl start ${app}\n`,
      );
    });
}

/**
 * @returns the file that was written.
 * @throws MetactlError: METACTL_BAD_NAME (2), METACTL_BAD_PATH (2), METACTL_EXISTS (1), METACTL_NEEDS_ROOT (77)
 */
export function createApp(paths: Paths, app: string, appDirectory: string | undefined): string {
  requireAppName(app);
  const directory = appDirectory === undefined ? undefined : existingDirectory(paths, app, appDirectory);
  const text = nodeFileText(app, directory);
  makeConfigDirectories(paths);
  const file = join(paths.nodesDirectory, `${app}.conf`);
  createFile(file, text);
  return file;
}

function existingDirectory(paths: Paths, app: string, path: string): string {
  if (!isAbsolute(path)) {
    throw badPath(path, `--app-dir: found \`${path}\`, expected an absolute path`, 'start it with /');
  }
  if (!isDirectory(path)) {
    throw badPath(path, `--app-dir: there is no directory ${path}`, 'make it, or correct the path');
  }
  const current = join(paths.appHome(app), 'current');
  if (lstatSync(current, { throwIfNoEntry: false }) !== undefined) {
    throw badPath(path, `--app-dir: metactl deploys ${app} (${current})`, 'leave the option out');
  }
  refuseForeign(paths, app, resolve(path));
  return resolve(path);
}

/** What `run` would refuse. */
function refuseForeign(paths: Paths, app: string, told: string): void {
  const real = (path: string) => (lstatSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path));
  const covered = [paths.etc, paths.lib, paths.log, paths.run].map(real);
  const home = real(paths.appHome(app));
  const stateDirectory = real(paths.stateDirectory(app));
  const others = otherApps(paths, app).directories.flatMap((other) =>
    isDirectory(other) ? [{ told: other, real: real(other) }] : [],
  );
  try {
    // A new app that is to be where another one is, is a mistake, whoever made the link.
    const decidedByRoot = () => false;
    // Who the app will run as is not known yet.
    const mayEnter = () => true;
    checkAppDirectory({ told, real: real(told), covered, home, stateDirectory, others, decidedByRoot, mayEnter });
  } catch (error) {
    throw badPath(told, `--app-dir: ${(error as Error).message}`, 'name the directory of the app alone');
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function badPath(path: string, message: string, hint: string): MetactlError {
  return new MetactlError(message, { code: 'METACTL_BAD_PATH', path, hint, exitStatus: EXIT.usage });
}
