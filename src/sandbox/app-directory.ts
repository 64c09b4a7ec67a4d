import { EXIT, MetactlError } from '../util/error.ts';
import { HIDDEN, isBelow } from './host-directories.ts';

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
  const hidden = HIDDEN.find((path) => isBelow(real, path) && !isBelow(told, path));
  if (hidden !== undefined && !release) refuse(input, `is in ${hidden}`, 'which no app may see');
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
