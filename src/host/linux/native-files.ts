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
  /** That write end, which nobody else may get hold of. */
  readonly livenessEnd: number;
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

/** Of the process that this one takes the place of: what that one started hangs on it. */
let adopted: { readonly read: number; readonly write: number } | undefined;

/** Before the first use of `nativeFiles`. */
export function adoptLiveness(read: number, write: number): void {
  adopted = { read, write };
}

/** Begins what a first launch would wait for, the growth of this process's descriptor table. Returns at once. */
export function expectLaunch(): void {
  if (files === undefined) addon().reserveDescriptors();
}

function open(): NativeFiles {
  expectLaunch();
  const { read, write } = adopted ?? addon().pipe(false);
  return { init: openInit(), liveness: read, livenessEnd: write, nothing: openSync('/dev/null', 'r+') };
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
export interface PrivateLiveness {
  /** The write end; undefined once it is closed. */
  readonly write: number | undefined;
  end(): void;
}

export function privateLiveness(): PrivateLiveness & { readonly read: number } {
  const { read, write } = addon().pipe(false);
  return Object.assign(livenessBehind(write), { read });
}

/** @param write the write end, which is closed by `end`. */
export function livenessBehind(write: number): PrivateLiveness {
  let open = true;
  return {
    get write() {
      return open ? write : undefined;
    },
    end() {
      if (open) closeSync(write);
      open = false;
    },
  };
}
