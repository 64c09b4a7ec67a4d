import { isAbsolute, join, relative, resolve } from 'node:path';
import type { AppConfig, Origin } from '../config/types.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Need } from './platform.ts';

/** What the platforms share in reading a daemon's section. Pure. */

/** `/etc/metactl/nodes/myapp.conf:3: `, or '' where a value has no place in a file. */
export function placeOf(origin: Origin | undefined): string {
  return origin === undefined || origin.line === 0 ? '' : `${origin.file}:${origin.line}: `;
}

/** An error (78) about one key of a daemon's section, naming where the key was written. */
export function keyError(config: AppConfig, daemon: string, key: string, problem: string, hint: string): MetactlError {
  const section = `daemon.${daemon}`;
  const place = placeOf(config.setting(section, key)?.origin);
  return new MetactlError(`${place}[${section}] ${key}: ${problem}`, {
    code: 'METACTL_BAD_KEY',
    step: 'make the command line',
    hint,
    exitStatus: EXIT.configuration,
  });
}

/** An error (78) about a section that lacks something; names the place where the section begins. */
export function sectionError(config: AppConfig, daemon: string, problem: string, hint: string): MetactlError {
  const section = `daemon.${daemon}`;
  return new MetactlError(`${placeOf(config.sectionOrigin(section))}[${section}] ${problem}`, {
    code: 'METACTL_NO_COMMAND',
    step: 'make the command line',
    hint,
    exitStatus: EXIT.configuration,
  });
}

/** Only `exec` has `command`; with another platform it would be silently ignored, so it is refused. */
export function refuseCommand(config: AppConfig, daemon: string, platform: string): void {
  if (config.words(`daemon.${daemon}`, 'command') === undefined) return;
  throw keyError(
    config,
    daemon,
    'command',
    `it belongs to platform exec, but the daemon has platform ${platform}`,
    'remove it, or set platform = exec',
  );
}

/** Paths in `.metactl` are relative to the app directory; absolute ones stay. */
export function inAppDirectory(config: AppConfig, path: string): string {
  return isAbsolute(path) ? resolve(path) : join(config.directory, path);
}

/** Whether the sandbox puts something of its own at or above the path, so that the host's view of it says nothing. */
function isMountedInside(config: AppConfig, path: string): boolean {
  return config.section('sandbox.mounts').some(({ key, text }) => {
    const below = relative(key, path);
    const covers = below !== '..' && !below.startsWith('../');
    return covers && /(^|:)(from:|tmpfs)/.test(text);
  });
}

/** Drops what can't be looked for on the host because `[sandbox.mounts]` puts something else there. */
export function checkable(config: AppConfig, needs: readonly Need[]): readonly Need[] {
  return needs.filter((need) => !isMountedInside(config, need.path));
}

/** A need named by a key, with the key's origin where it has one. */
export function needOf(
  config: AppConfig,
  daemon: string,
  key: string,
  need: { readonly path: string; readonly what: string; readonly kind: Need['kind']; readonly hint?: string },
): Need {
  const origin = config.setting(`daemon.${daemon}`, key)?.origin;
  return origin === undefined ? need : { ...need, origin };
}
