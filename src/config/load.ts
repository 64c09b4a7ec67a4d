import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Platform } from '../platform/platform.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { assemble, type Material } from './assemble.ts';
import { findDirectory } from './directory.ts';
import { Interpolator } from './interpolate.ts';
import { administratorsFiles, type LayerFile, type Replacement, readLayer } from './layers.ts';
import { merge } from './merge.ts';
import { configurationError } from './messages.ts';
import { requireAppName } from './names.ts';
import { NO_SANDBOX_FILE } from './no-sandbox.ts';
import { inspectNode } from './node-config.ts';
import { ProblemList } from './problem-list.ts';
import type { LoadedConfig, NodeConfig, Problem } from './types.ts';
import { checkNames } from './validate.ts';

export { listApps } from './app-names.ts';
export { requireBuilt, unbuiltProblems } from './unbuilt.ts';

/** What was found: as much of the configuration as is valid, and everything that is wrong. */
export interface Inspection {
  readonly config: LoadedConfig;
  readonly node: NodeConfig;
  readonly problems: readonly Problem[];
}

export interface LoadOptions {
  /** False: as if the node file ended with `[sandbox] enabled = no` (`--no-sandbox`). */
  readonly sandbox?: boolean;
  /** A text to take in place of one file's. */
  readonly replacement?: Replacement;
}

/**
 * Loads an app's merged configuration (DESIGN §3): platform defaults, `.metactl`, site, node.
 * @throws MetactlError METACTL_CONFIGURATION (78) with every problem, one a line, and in `details.problems`;
 * METACTL_NO_SUCH_APP (4); METACTL_BAD_NAME (2); METACTL_NEEDS_ROOT (77) where a file may not be read.
 */
export function loadApp(
  paths: Paths,
  app: string,
  platforms: readonly Platform[],
  options: LoadOptions = {},
): LoadedConfig {
  return loadAppAndNode(paths, app, platforms, options).config;
}

/** The same with the node's own, which is read for it in any case. */
export function loadAppAndNode(
  paths: Paths,
  app: string,
  platforms: readonly Platform[],
  options: LoadOptions = {},
): { readonly config: LoadedConfig; readonly node: NodeConfig } {
  const { config, node, problems } = inspectApp(paths, app, platforms, options);
  if (problems.length > 0) throw configurationError(problems);
  return { config, node };
}

/**
 * The same without throwing for problems of the configuration: for `check`, which shows all, and for `edit`, which
 * looks at a text before it is installed.
 * @throws MetactlError as `loadApp`, but for METACTL_CONFIGURATION.
 */
export function inspectApp(
  paths: Paths,
  app: string,
  platforms: readonly Platform[],
  options: LoadOptions = {},
): Inspection {
  const { node, problems: nodeProblems } = inspectNode(paths);
  const { own, layers, directory, basics, names } = readFiles(paths, app, node, options.replacement);
  const problems = new ProblemList();
  problems.addAll(nodeProblems);
  if (directory.problem !== undefined) problems.add(directory.problem);
  const material: Material = {
    ...basics,
    directory: directory.directory,
    release: directory.release,
    nodeFile: names.node,
    siteFile: names.site,
    metactlConf: paths.metactlConf,
    files: [...layers, ...(options.sandbox === false ? [NO_SANDBOX] : [])],
    platforms,
    ip: undefined,
    ip6: undefined,
    full: own?.entries.findLast(({ section, key }) => section === 'trust' && key === 'application')?.raw === 'full',
  };
  const assembled = assemble(material);
  problems.addAll(assembled.problems);
  return { config: assembled.config, node, problems: problems.items };
}

/**
 * `config.daemons` of `inspectApp`, for a third of the time: a list of hundreds of apps needs no more than their names.
 * @param node of `inspectNode`, read once for all of them. @throws MetactlError as `inspectApp`.
 */
export function inspectDaemons(paths: Paths, app: string, node: NodeConfig): readonly string[] {
  const { layers } = readFiles(paths, app, node);
  return checkNames({ files: layers, metactlConf: paths.metactlConf }, new ProblemList());
}

/** The files of an app, lowest layer first, and where it lies. @throws MetactlError as `inspectApp`. */
function readFiles(paths: Paths, app: string, node: NodeConfig, replacement?: Replacement) {
  requireAppName(app);
  const names = administratorsFiles(paths, app);
  const site = [names.defaults, names.site].flatMap((file) => readLayer('site', file, replacement) ?? []);
  const own = readLayer('node', names.node, replacement);
  const known = own !== undefined || site.some(({ file }) => file === names.site) || existsSync(paths.appHome(app));
  if (!known) throw noSuchApp(paths, app);
  const stateDirectory = paths.stateDirectory(app);
  const basics = { app, node: node.name, site: node.site, stateDirectory, logDirectory: join(stateDirectory, 'log') };
  const directory = findDirectory(paths, app, ownDirectory(own, basics));
  const application = directory.exists ? readLayer('application', join(directory.directory, '.metactl')) : undefined;
  const layers = [application, ...site, own].filter((layer) => layer !== undefined);
  return { own, layers, directory, basics, names };
}

/** @throws MetactlError METACTL_CONFIGURATION (78), METACTL_NEEDS_ROOT (77) */
export function loadNode(paths: Paths): NodeConfig {
  const { node, problems } = inspectNode(paths);
  if (problems.length > 0) throw configurationError(problems);
  return node;
}

/** What `--no-sandbox` says, as the highest layer. */
const NO_SANDBOX: LayerFile = {
  layer: 'node',
  file: NO_SANDBOX_FILE,
  headers: [{ kind: 'header', section: 'sandbox', line: 0, column: 0 }],
  entries: [{ kind: 'entry', section: 'sandbox', key: 'enabled', raw: 'no', line: 0, keyColumn: 0, valueColumn: 0 }],
  problems: [],
};

/**
 * `[app] directory` as the node file says it. Only names that do not depend on the directory are known here.
 * @returns undefined where it isn't set, or names something that is not known.
 */
export function ownDirectory(
  file: LayerFile | undefined,
  basics: Pick<Material, 'app' | 'node' | 'site' | 'stateDirectory'>,
) {
  if (file === undefined) return undefined;
  const { sections } = merge([file]).merged;
  const item = sections.get('app')?.get('directory');
  if (item === undefined) return undefined;
  const { app, node, site, stateDirectory } = basics;
  const interpolator = new Interpolator(
    {
      find: (section, key) => sections.get(section)?.get(key),
      defaultOf: () => undefined,
      builtins: new Map([
        ['app', app],
        ['node', node],
        ['site', site],
        ['state_dir', stateDirectory],
      ]),
      inSomeDaemon: () => false,
      known: () => ['app', 'node', 'site', 'state_dir'],
      keepsQuotes: () => false,
      forbidden: () => undefined,
      readFile: () => ({ why: 'it may not be used here' }),
    },
    new ProblemList(),
  );
  const resolved = interpolator.resolve(item, undefined);
  return resolved === undefined ? undefined : { text: resolved.text, origin: item.winner.origin };
}

function noSuchApp(paths: Paths, app: string): MetactlError {
  return new MetactlError(`there is no app \`${app}\``, {
    code: 'METACTL_NO_SUCH_APP',
    path: join(paths.nodesDirectory, `${app}.conf`),
    hint: `create it with metactl new ${app}`,
    exitStatus: EXIT.noSuchApp,
  });
}
