/**
 * Files that a server must be given as files (a Jetty context, say) but that follow from the configuration.
 *
 * Root must not write into a directory that the app can write, and nothing at all is written where `plan` is only
 * printed. So the daemon makes them itself: a fixed script, run inside the sandbox as the app's user, empties the
 * directory, writes the files whose names and contents are its arguments (data, never script text), and then becomes
 * the real program by `exec`, with the same pid. Emptying matters: what a compromised app left there in an earlier
 * life must not be loaded in the next one.
 */
const SCRIPT = [
  'set -e',
  'base=$1; shift',
  'rm -rf -- "$base"',
  'while [ "$1" != -- ]; do',
  'case $1 in */) mkdir -p -- "$1"; shift;; *) mkdir -p -- "${1%/*}"; printf %s "$2" >"$1"; shift 2;; esac',
  'done',
  'shift',
  'exec "$@"',
].join('\n');

export interface PreparedFile {
  /** Absolute; a trailing slash asks for a directory. */
  readonly path: string;
  /** Not used for directories. */
  readonly content?: string;
}

/**
 * The command line that first empties `base`, makes `files` and then becomes `argv`. Pure.
 * `argv[0]` is then looked up in PATH by the shell; paths must not be `--`.
 */
export function withPreparedFiles(
  base: string,
  files: readonly PreparedFile[],
  argv: readonly string[],
): readonly string[] {
  const made = files.flatMap(({ path, content }) => (path.endsWith('/') ? [path] : [path, content ?? '']));
  return ['/bin/sh', '-c', SCRIPT, 'metactl', base, ...made, '--', ...argv];
}
