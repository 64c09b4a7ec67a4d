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
  'case $1 in',
  'directory) mkdir -p -- "$2"; shift 2;;',
  'file) mkdir -p -- "${2%/*}"; printf %s "$3" >"$2"; shift 3;;',
  'link) mkdir -p -- "${2%/*}"; ln -s -- "$3" "$2"; shift 3;;',
  '*) exit 2;;',
  'esac',
  'done',
  'shift',
  'exec "$@"',
].join('\n');

/** Paths are absolute. A file's directory is made too. */
export type PreparedFile =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly content: string }
  | { readonly kind: 'link'; readonly path: string; readonly to: string };

/**
 * The command line that first empties `base`, makes `files` and then becomes `argv`. Pure.
 * `argv[0]` is then looked up in PATH by the shell.
 */
export function withPreparedFiles(
  base: string,
  files: readonly PreparedFile[],
  argv: readonly string[],
): readonly string[] {
  return ['/bin/sh', '-c', SCRIPT, 'metactl', base, ...files.flatMap(words), '--', ...argv];
}

function words(file: PreparedFile): readonly string[] {
  const head = [file.kind, file.path];
  if (file.kind === 'file') return [...head, file.content];
  return file.kind === 'link' ? [...head, file.to] : head;
}
