import { createHash } from 'node:crypto';
import { isAbsolute, join, resolve } from 'node:path';
import { MetactlError } from './error.ts';

/** Where metactl keeps its files (DESIGN §4). `--root DIR` or METACTL_ROOT moves every one of them. */
export interface Paths {
  /** The root directory, absolute and without a trailing slash unless it is `/` itself. */
  readonly root: string;
  /** '' for `/`, else four hex digits from the root's path: part of every kernel object's name. */
  readonly nodeId: string;
  readonly etc: string;
  readonly metactlConf: string;
  readonly siteDirectory: string;
  readonly nodesDirectory: string;
  readonly lib: string;
  readonly leases: string;
  readonly log: string;
  readonly run: string;
  /** `/run/metactl/<app>`: lock, live state and record of one app. */
  runApp(app: string): string;
  /** `/var/lib/metactl/apps/<app>`. */
  appHome(app: string): string;
  stateDirectory(app: string): string;
}

/**
 * Pure. `root` must be absolute.
 * The id is the first four hex digits of the SHA-256 of the root's path, as DESIGN §4 asks for a stable short name.
 */
export function pathsFor(root: string): Paths {
  if (!isAbsolute(root)) {
    throw new MetactlError(`the root directory must be an absolute path, not \`${root}\``, {
      code: 'METACTL_RELATIVE_ROOT',
      path: root,
      hint: 'give --root (or METACTL_ROOT) a path that starts with /',
      exitStatus: 2,
    });
  }
  const base = resolve(root);
  const nodeId = base === '/' ? '' : createHash('sha256').update(base).digest('hex').slice(0, 4);
  const etc = join(base, 'etc/metactl');
  const lib = join(base, 'var/lib/metactl');
  const run = join(base, 'run/metactl');
  return {
    root: base,
    nodeId,
    etc,
    metactlConf: join(etc, 'metactl.conf'),
    siteDirectory: join(etc, 'site'),
    nodesDirectory: join(etc, 'nodes'),
    lib,
    leases: join(lib, 'leases.json'),
    log: join(base, 'var/log/metactl'),
    run,
    runApp: (app) => join(run, app),
    appHome: (app) => join(lib, 'apps', app),
    stateDirectory: (app) => join(lib, 'apps', app, 'state'),
  };
}

/** The name of an app's kernel objects: `metactl-<app>`, or `metactl-<id>-<app>` under a moved root (DESIGN §4). */
export function objectName(paths: Paths, app: string): string {
  return paths.nodeId === '' ? `metactl-${app}` : `metactl-${paths.nodeId}-${app}`;
}
