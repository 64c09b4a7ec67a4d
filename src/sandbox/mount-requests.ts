import { DEFAULT_TMPFS_SIZE, parseMount } from '../config/mount.ts';
import type { AppConfig } from '../config/types.ts';
import type { MountRequest } from './mounts.ts';

/** Reads `[sandbox.mounts]`, which the schema has checked. Pure. */
export function mountRequests(config: AppConfig): MountRequest[] {
  return config.section('sandbox.mounts').flatMap((setting) => {
    const value = parseMount(setting.text);
    if (value === undefined) return [];
    const source = 'from' in value ? (value.from ?? setting.key) : setting.key;
    const size = ('size' in value ? value.size : undefined) ?? DEFAULT_TMPFS_SIZE;
    const origin = `${setting.origin.file}:${setting.origin.line}`;
    const trusted = setting.trust !== 'application';
    return [{ target: setting.key, kind: value.kind, source, size, origin, trusted }];
  });
}
