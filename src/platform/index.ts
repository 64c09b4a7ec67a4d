import { EXIT, MetactlError } from '../util/error.ts';
import { exec } from './exec.ts';
import { jettys } from './jetty.ts';
import { jvm } from './jvm.ts';
import { node } from './node.ts';
import type { Platform } from './platform.ts';

/** Every platform, in the order of the documentation. */
export const platforms: readonly Platform[] = [exec, node, jvm, ...jettys];

/** @throws MetactlError METACTL_UNKNOWN_PLATFORM (78). */
export function platformNamed(name: string): Platform {
  const found = platforms.find((platform) => platform.name === name);
  if (found !== undefined) return found;
  throw new MetactlError(`there is no platform \`${name}\``, {
    code: 'METACTL_UNKNOWN_PLATFORM',
    step: 'make the command line',
    path: name,
    hint: `the platforms are ${platforms.map((platform) => platform.name).join(' ')}`,
    exitStatus: EXIT.configuration,
  });
}
