import type { AppConfig } from '../config/types.ts';

/** Whether the app's daemons are sandboxed at all. Pure. */
export function isSandboxed(config: AppConfig): boolean {
  return config.flag('sandbox', 'enabled') !== false;
}
