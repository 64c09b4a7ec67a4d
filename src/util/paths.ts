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
  /** Notify sockets of daemons without a sandbox: these have to reach them. */
  readonly notifyDirectory: string;
  /** `/run/metactl/<app>`: lock, live state and record of one app. */
  runApp(app: string): string;
  /** `/var/lib/metactl/apps/<app>`. */
  appHome(app: string): string;
  stateDirectory(app: string): string;
}

/**
 * Pure. `root` must be absolute.
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
  const nodeId = base === '/' ? '' : shortId(base);
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
    notifyDirectory: `${run}-notify`,
    // Asked for all the time; a name has no slash and no dot.
    runApp: (app) => `${run}/${app}`,
    appHome: (app) => `${lib}/apps/${app}`,
    stateDirectory: (app) => `${lib}/apps/${app}/state`,
  };
}

/**
 * Four hex digits of a path, stable for ever: kernel objects are found again by it. 32-bit FNV-1a (draft-eastlake-fnv),
 * folded to 16 bits; `node:crypto` would cost every command 4 ms.
 */
function shortId(path: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(path)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return ((hash >>> 16) ^ (hash & 0xffff)).toString(16).padStart(4, '0');
}

/** The name of an app's kernel objects: `metactl-<app>`, or `metactl-<id>-<app>` under a moved root (DESIGN §4). */
export function objectName(paths: Paths, app: string): string {
  return paths.nodeId === '' ? `metactl-${app}` : `metactl-${paths.nodeId}-${app}`;
}
