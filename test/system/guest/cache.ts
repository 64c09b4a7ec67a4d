import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { takeLock } from '../../helpers/machine-lock.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

/** What takes long to make is kept here, some 2 GB. Delete it whenever you like. */
const CACHE = join(REPOSITORY, '.cache/system');

/** Half-made directories carry the pid of their maker. */
const HALF = /^making-(\d+)-/;

/**
 * The directory `<kind>-<hash of key>` in the cache, made by `make` if it isn't there: in a directory beside it that is
 * renamed when all of it is there, so that a killed run leaves nothing that looks ready. Other directories of the kind are
 * outdated and go. One makes at a time: who wants the same meanwhile waits for it.
 */
export async function cached(
  kind: string,
  key: readonly string[],
  make: (directory: string) => Promise<void>,
  cache: string = CACHE,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
  const ready = join(cache, `${kind}-${hash}`);
  if (existsSync(ready)) return ready;
  mkdirSync(cache, { recursive: true });
  const release = await takeLock(cache);
  const half = join(cache, `making-${process.pid}-${kind}`);
  try {
    if (existsSync(ready)) return ready;
    removeHalfMade(cache);
    mkdirSync(half);
    await make(half);
    const outdated = new RegExp(`^${kind}-[0-9a-f]{16}$`);
    for (const name of readdirSync(cache)) if (outdated.test(name)) remove(join(cache, name));
    renameSync(half, ready);
  } finally {
    remove(half);
    await release();
  }
  return ready;
}

function removeHalfMade(cache: string): void {
  for (const name of readdirSync(cache)) {
    const maker = HALF.exec(name)?.[1];
    if (maker !== undefined && !existsSync(`/proc/${maker}`)) remove(join(cache, name));
  }
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
