import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MetactlError } from '../../util/error.ts';
import { addon, nativeDirectories } from './addon.ts';

/** What every launch of this process uses. The descriptors stay open until it ends. */
export interface NativeFiles {
  /**
   * metactl-init as a sealed copy: an upgrade on disk can't mix versions, and nothing that gets hold of it from inside a
   * sandbox can write it (CVE-2019-5736).
   */
  readonly init: number;
  /** Read end of the pipe whose only write end is this process's: when it dies, every sandbox ends. */
  readonly liveness: number;
  /** /dev/null. */
  readonly nothing: number;
}

let files: NativeFiles | undefined;

/**
 * Opens them at first use; a supervisor calls it before its first daemon starts.
 * @throws MetactlError METACTL_NO_NATIVE where metactl-init is not built.
 */
export function nativeFiles(): NativeFiles {
  files ??= open();
  return files;
}

function open(): NativeFiles {
  addon().reserveDescriptors();
  const { read } = addon().pipe(false);
  return { init: openInit(), liveness: read, nothing: openSync('/dev/null', 'r+') };
}

function openInit(): number {
  const paths = nativeDirectories().map((directory) => join(directory, 'metactl-init'));
  for (const path of paths) {
    try {
      return addon().sealedMemfd('metactl-init', readFileSync(path), true);
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ENOENT') continue;
      // vm.memfd_noexec=2 forbids executable memfds: then the file itself, held open, has to do.
      if (code === 'EACCES') return openSync(path, 'r');
      throw error;
    }
  }
  throw new MetactlError(`metactl-init isn't there: tried ${paths.join(', ')}`, {
    code: 'METACTL_NO_NATIVE',
    step: 'open metactl-init',
    hint: 'build it with `npm run build:native`',
  });
}

/** A liveness pipe of one launch's own: closing its write end with `end` (or dying) ends what was launched. */
export function privateLiveness(): { readonly read: number; end(): void } {
  const { read, write } = addon().pipe(false);
  let open = true;
  return {
    read,
    end() {
      if (open) closeSync(write);
      open = false;
    },
  };
}
