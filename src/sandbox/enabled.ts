import { NO_SANDBOX_FILE } from '../config/no-sandbox.ts';
import type { AppConfig } from '../config/types.ts';

/** Whether the app's daemons are sandboxed at all. Pure. */
export function isSandboxed(config: AppConfig): boolean {
  return config.flag('sandbox', 'enabled') !== false;
}

/** Whether the command line has switched the sandbox off, for this once: then what needs it is left out. Pure. */
export function isWithoutSandbox(config: AppConfig): boolean {
  return config.setting('sandbox', 'enabled')?.origin.file === NO_SANDBOX_FILE;
}

/** What of the configuration `--no-sandbox` leaves out and nobody should believe in, one sentence each. Pure. */
export function leftOutWarnings(config: AppConfig): string[] {
  if (!isWithoutSandbox(config)) return [];
  const policy = config.text('firewall.out', 'policy') ?? 'accept';
  const ports = config.words('sandbox.net', 'publish') ?? [];
  return [
    ...(policy === 'accept'
      ? []
      : [
          `--no-sandbox: [firewall.out] policy = ${policy} is not in force: ${config.app} may connect to all that this host can`,
        ]),
    ...(ports.length === 0
      ? []
      : [
          `--no-sandbox: [sandbox.net] publish = ${ports.join(' ')} is left out: ${config.app} listens on this host itself`,
        ]),
  ];
}
