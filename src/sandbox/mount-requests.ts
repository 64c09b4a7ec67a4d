import type { AppConfig, Setting } from '../config/types.ts';
import { MetactlError } from '../util/error.ts';
import { parseSize } from '../util/size.ts';
import type { MountRequest } from './mounts.ts';

/** tmpfs mounts without a size get this much, as `/dev/shm` does. */
const DEFAULT_TMPFS_SIZE = 64 * 1024 * 1024;

/** Reads `[sandbox.mounts]`. Pure. @throws MetactlError (78) for a value that is no mount. */
export function mountRequests(config: AppConfig): MountRequest[] {
  return config.section('sandbox.mounts').map(mountRequest);
}

/** `ro | rw | hide | tmpfs[:SIZE] | [ro:|rw:]from:/other` (DESIGN §3). `from:` alone is read-only. */
function mountRequest(setting: Setting): MountRequest {
  const origin = `${setting.origin.file}:${setting.origin.line}`;
  const base = { target: setting.key, source: setting.key, size: DEFAULT_TMPFS_SIZE, origin };
  const text = setting.text;
  if (text === 'ro' || text === 'rw' || text === 'hide' || text === 'tmpfs') return { ...base, kind: text };
  const tmpfs = /^tmpfs:(.+)$/.exec(text);
  if (tmpfs !== null) {
    const size = parseSize(tmpfs[1]!);
    if (size !== undefined) return { ...base, kind: 'tmpfs', size };
  }
  const from = /^(?:(ro|rw):)?from:(\/.*)$/.exec(text);
  if (from !== null) return { ...base, kind: from[1] === 'rw' ? 'rw' : 'ro', source: from[2]! };
  throw new MetactlError(
    `${origin}: [sandbox.mounts] ${setting.key}: found \`${text}\`, expected ro, rw, hide, tmpfs[:SIZE] or [ro:|rw:]from:/other`,
    { code: 'METACTL_BAD_MOUNT', path: setting.key, hint: 'the path after from: must be absolute', exitStatus: 78 },
  );
}
