import { dirname } from 'node:path';
import { EXIT, MetactlError } from '../util/error.ts';
import { HIDDEN, isBelow } from './host-directories.ts';

/** Made anew in every sandbox: the host's own must not come in by a link. Directories below /tmp are apps in the making. */
const TEMPORARY = '/tmp';
const FRESH = ['/run', '/dev', '/proc', '/sys', TEMPORARY];
/** Covered or mounted in parts: as an app directory they would bring back what the covers hide. */
const SYSTEM = [
  '/',
  '/bin',
  '/boot',
  '/etc',
  '/home',
  '/lib',
  '/opt',
  '/root',
  '/sbin',
  '/srv',
  '/usr',
  '/var',
  '/var/lib',
  '/var/tmp',
];

export interface AppDirectoryInput {
  /** As the configuration says it, absolute. */
  readonly told: string;
  /** What it really is. */
  readonly real: string;
  /** Metactl's own directories, real paths. */
  readonly covered: readonly string[];
  /** `/var/lib/metactl/apps/<app>` and its state directory, real paths. */
  readonly home: string;
  readonly stateDirectory: string;
  /** Whether root alone decides what `told` leads to. Asked only where a link leads to what may be others'. */
  readonly decidedByRoot: () => boolean;
  /** Whether everybody that a daemon of the app runs as may reach what is in a directory, by its owner and mode. */
  readonly mayEnter: (directory: string) => boolean;
  /** The directories of the node's other apps. */
  readonly others: readonly OtherDirectory[];
}

export interface OtherDirectory {
  readonly told: string;
  readonly real: string;
}

/**
 * Makes sure that the app directory gives the app nothing that every sandbox hides. It is mounted last, over all covers,
 * and whoever may write above it (a developer's checkout) decides by symlinks what it really is. Pure.
 * @throws MetactlError (78) METACTL_APP_DIRECTORY
 */
export function checkAppDirectory(input: AppDirectoryInput): void {
  const { told, real, covered, home, stateDirectory } = input;
  const release = isBelow(real, home) && real !== home && !isBelow(real, stateDirectory);
  const own = covered.find((path) => isBelow(path, real) || (isBelow(real, path) && !release));
  if (own !== undefined) refuse(input, isBelow(own, real) ? `holds ${own}` : `is in ${own}`, "which is metactl's own");
  const kernel = FRESH.find((path) => isBelow(real, path) && !(isBelow(real, TEMPORARY) && real !== TEMPORARY));
  if (kernel !== undefined) refuse(input, `is in ${kernel}`, 'which every sandbox has of its own');
  const system = SYSTEM.find((path) => real === path);
  if (system !== undefined) refuse(input, 'is a directory of the operating system', 'not of an app');
  // `/etc/ssl`: bound again, it would bring back what is hidden in it.
  const holds = HIDDEN.find((path) => path !== real && isBelow(path, real));
  if (holds !== undefined) refuse(input, `holds ${holds}`, 'which no app may see');
  const hidden = HIDDEN.find((path) => isBelow(real, path) && !isBelow(told, path));
  if (hidden !== undefined && !release) refuse(input, `is in ${hidden}`, 'which no app may see');
  refuseOthers(input);
  refuseClosed(input);
}

/**
 * The directories above the app's may be made anew inside, open to everybody, where a cover lies over those of the host. A link of
 * somebody's must not get the app past one that keeps it out on the host. Those that the node file names are what
 * the administrator wants to be passed.
 */
function refuseClosed(input: AppDirectoryInput): void {
  const { told, real, mayEnter } = input;
  if (told === real) return;
  const closed = above(real).find((directory) => !isBelow(told, directory) && !mayEnter(directory));
  if (closed === undefined || input.decidedByRoot()) return;
  refuse(input, `is in ${closed}`, "which the app's user may not enter");
}

/** `/a/b/c` gives `/a/b`, `/a`. */
function above(path: string): string[] {
  const list: string[] = [];
  for (let at = dirname(path); at !== '/'; at = dirname(at)) list.push(at);
  return list;
}

/**
 * A link that leads to what is another app's may be the work of whoever can write beside it, and would show him that app.
 * Apps in each other's directories are what administrators want where the node files or links of root's say so: the app that
 * somebody else's link leads to must start all the same.
 */
function refuseOthers(input: AppDirectoryInput): void {
  const { told, real, covered, others } = input;
  if (told === real) return;
  const touches = (a: string, b: string) => isBelow(a, b) || isBelow(b, a);
  const other = others.find(
    (one) => touches(real, one.real) && !touches(told, one.told) && mayBeHidden(one.real, covered),
  );
  if (other === undefined || input.decidedByRoot()) return;
  const what = real === other.real ? 'is' : isBelow(real, other.real) ? 'is in' : 'holds';
  refuse(input, `${what} ${other.told}`, 'the directory of another app');
}

/**
 * Whether hiding a directory from other apps can do no harm to them: it holds nothing of the operating system and nothing
 * of metactl. Others are no app's directory either, and their app does not start. Pure.
 * @param real What it really is.
 */
export function mayBeHidden(real: string, covered: readonly string[]): boolean {
  return (
    ![...HIDDEN, ...covered].some((path) => isBelow(path, real)) && !SYSTEM.includes(real) && !FRESH.includes(real)
  );
}

function refuse({ told, real }: AppDirectoryInput, what: string, why: string): never {
  const link = told === real ? '' : ` leads to ${real}, and that`;
  throw new MetactlError(`the app directory ${told}${link} ${what}, ${why}`, {
    code: 'METACTL_APP_DIRECTORY',
    path: told,
    hint: 'set [app] directory in the node file to the directory of the app alone',
    exitStatus: EXIT.configuration,
  });
}
