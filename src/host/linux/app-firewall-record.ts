import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FirewallPlan } from '../../sandbox/plan.ts';
import type { Paths } from '../../util/paths.ts';

/** `/run/metactl/<app>/firewall_out.json`: what an app's rules are made from, should the table have to be made again. */
export interface FirewallRecord {
  readonly link: string;
  readonly plan: FirewallPlan;
  /** When it was put in force, in milliseconds since the epoch. */
  readonly since: number;
  /** When the names were resolved last, in milliseconds since the epoch. */
  readonly resolvedAt: number;
}

/** `_` is in no daemon's name, so this is no live state. */
function pathOf(paths: Paths, app: string): string {
  return join(paths.runApp(app), 'firewall_out.json');
}

/** @returns undefined where there is none. */
export function readFirewallRecord(paths: Paths, app: string): FirewallRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(pathOf(paths, app), 'utf8')) as FirewallRecord;
    return Array.isArray(record.plan?.accept) ? record : undefined;
  } catch (error) {
    // A torn one can't be: it is renamed into place.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function writeFirewallRecord(paths: Paths, app: string, record: FirewallRecord): void {
  const path = pathOf(paths, app);
  writeFileSync(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeFirewallRecord(paths: Paths, app: string): void {
  for (const path of [pathOf(paths, app), `${pathOf(paths, app)}.new`])
    if (existsSync(path)) rmSync(path, { force: true });
}
