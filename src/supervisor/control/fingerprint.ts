import { statSync } from 'node:fs';
import type { AppConfig } from '../../config/types.ts';

/** What a running daemon was made from: text by `[section] key`. */
export type Fingerprint = ReadonlyMap<string, string>;

/** Sections that a start of any daemon of the app depends on. */
const COMMON = /^(?:env|app|trust|sandbox(?:\..*)?|firewall\..*)$/;

/** Pure. */
export function fingerprintOf(config: AppConfig, daemon: string): Fingerprint {
  const print = new Map([['the app directory', config.directory]]);
  const own = [`daemon.${daemon}`, `env.${daemon}`];
  for (const section of config.sections()) {
    if (!COMMON.test(section) && !own.includes(section)) continue;
    for (const { key, text } of config.section(section)) print.set(`[${section}] ${key}`, text);
  }
  return print;
}

/** What was changed, added or removed, sorted. Names of keys only: values may be secret. Pure. */
export function changedKeys(before: Fingerprint, after: Fingerprint): string[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key)).sort();
}

/** What tells whether any of these files is another than before, without reading them. */
export function signatureOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
      return stat === undefined ? '-' : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
    })
    .join(' ');
}
