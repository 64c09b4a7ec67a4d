import { isAbsolute } from 'node:path';

/** How this metactl runs, and where the command `metactl` leads to. */
export interface ProgramFacts {
  /** The Node that runs it, and its script, without symbolic links. */
  readonly node: string;
  readonly script: string;
  /** Real path of a command in the directories that service managers search; undefined where there is none. */
  find(command: 'metactl' | 'node'): { readonly path: string; readonly real: string } | undefined;
}

/** The directories that systemd searches for programs, and has in the PATH of services. */
export const SERVICE_PATH: readonly string[] = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

/**
 * How a service manager calls this metactl: as `/usr/local/bin/metactl` where that is this one under this Node, so that an
 * upgrade of either changes no unit; else by both paths. Pure.
 * @param searches whether what the manager starts has these directories in its PATH, by which `metactl` finds its Node. SMF's is
 * `/usr/sbin:/usr/bin`; others differ by version: there Node is named, too.
 */
export function programOf({ node, script, find }: ProgramFacts, searches: boolean): readonly string[] {
  const [command, interpreter] = [find('metactl'), find('node')];
  const own = command?.real === script && interpreter?.real === node;
  if (!own || command === undefined || interpreter === undefined) return [node, script];
  const words = searches ? [command.path] : [interpreter.path, command.path];
  return words.every(isAbsolute) ? words : [node, script];
}
