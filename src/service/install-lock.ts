import type { FileLock, FileLocks, LockHolder, LockRequest } from '../host/file-lock.ts';
import { fileLocks } from '../host/index.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { fileError } from './files.ts';

/** Milliseconds that an installation waits for another one of the same app. */
const PATIENCE = 10_000;
/** Who may not write there changes nothing there. */
const READ_ONLY = ['EACCES', 'EPERM', 'EROFS'];

export interface InstallLockOptions {
  readonly paths: Pick<Paths, 'run'>;
  /** The directory of an export: then that is what is locked. */
  readonly to?: string | undefined;
  /** Apps that it is about, '' for the supervisor of the node. */
  readonly apps: readonly string[];
  /** Told what it waits for. */
  readonly say: (text: string) => void;
  /** Milliseconds. */
  readonly patience?: number;
}

/**
 * Does something about what the service manager has of apps, from the first look on, while no other metactl does so.
 * @throws MetactlError METACTL_LOCKED where another one takes too long, METACTL_UNSAFE_LOCK; what `work` throws.
 */
export async function withInstallLock<T>(options: InstallLockOptions, work: () => Promise<T>): Promise<T> {
  const locks = await fileLocks();
  const held: FileLock[] = [];
  try {
    // In one order: two of several apps can't wait for each other.
    if (locks !== undefined)
      for (const app of [...options.apps].sort()) held.push(...(await hold(locks, app, options)));
    return await work();
  } finally {
    for (const lock of held.reverse()) lock.release();
  }
}

async function hold(locks: FileLocks, app: string, options: InstallLockOptions): Promise<readonly FileLock[]> {
  const { paths, to, say, patience = PATIENCE } = options;
  const what = app === '' ? 'the supervisor of this node' : app;
  const request: LockRequest = {
    // No app's name begins with a dot.
    name: app === '' ? '.metactl-node.lock' : `.metactl.${app}.lock`,
    ...(to === undefined ? { directory: paths.run, privateMode: 0o700 } : { directory: to }),
    patience,
    onWait: (holder) => say(`waiting for ${whoIs(holder)}, which is at work on the installation of ${what}`),
  };
  try {
    const lock = await locks.hold(request);
    if (lock !== undefined) return [lock];
  } catch (error) {
    if (to !== undefined && READ_ONLY.includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw fileError('write', to ?? paths.run, error);
  }
  throw locked(what, `${request.directory}/${request.name}`, locks.holderOf(request), patience);
}

/** Pure. */
function whoIs(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'another process';
  return `pid ${holder.pid}${holder.command === undefined ? '' : ` (${holder.command})`}`;
}

function locked(what: string, path: string, holder: LockHolder | undefined, patience: number): MetactlError {
  return new MetactlError(
    `${whoIs(holder)} is still at work on the installation of ${what} after ${patience / 1000} s: nothing was changed`,
    {
      code: 'METACTL_LOCKED',
      step: 'lock the installation',
      path,
      hint: 'run this again when it is done; a `purge` may be waiting for its answer on another terminal',
      exitStatus: EXIT.error,
    },
  );
}
