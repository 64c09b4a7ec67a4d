import { existsSync, readdirSync } from 'node:fs';
import type { Paths } from '../../util/paths.ts';
import type { GcItem } from '../gc-item.ts';
import { detectCgroups, listAppCgroups } from './cgroup/index.ts';
import { type Finding, findAppGarbage, findDaemonGarbage, notifySocketsOf } from './gc-app.ts';
import { livingDaemons, removeRunDirectory, withAppLock } from './lock.ts';
import { appOfAlias } from './network-name.ts';
import { claimedElsewhere, isBaseUsed, releaseBase } from './network-node.ts';
import { madeOf } from './record.ts';
import { type LinkEntry, withRtNetlink } from './rtnetlink.ts';

/**
 * Removes what killed supervisors of this root left behind: whatever is on record, in the app's directory below /run, or
 * carries this root's id. An app with living daemons loses only what its dead ones left.
 * @param only one app, and what is common to all if nobody else uses it.
 * @returns what was removed; with `dryRun` what would be, and nothing is changed.
 * @throws MetactlError for what can't be removed, after the rest was.
 */
export async function collectGarbage(
  paths: Paths,
  { dryRun = false, app: only }: { readonly dryRun?: boolean; readonly app?: string } = {},
): Promise<GcItem[]> {
  const links = (await withRtNetlink((netlink) => netlink.listLinks())).filter(
    (link) => appOfAlias(paths, link.alias) !== undefined,
  );
  const collector = new Collector(dryRun);
  for (const app of appsOf(paths, links).filter((one) => (only ?? one) === one)) {
    const own = links.filter((link) => appOfAlias(paths, link.alias) === app);
    // The lock lives in the app's directory, which a dry run does not make.
    const locked = dryRun && !existsSync(paths.runApp(app)) ? unlocked : withAppLock;
    await collector.attempt(() =>
      locked(paths, app, async () => {
        const living = livingDaemons(paths, app);
        const findings = living.length === 0 ? findAppGarbage(paths, app, own) : findDaemonGarbage(paths, app, living);
        for (const finding of findings) await collector.take(finding);
        if (living.length === 0 && !dryRun) removeRunDirectory(paths, app);
      }),
    );
  }
  await collector.attempt(() => collectBase(paths, collector));
  return collector.finish();
}

function unlocked<T>(_paths: Paths, _app: string, work: () => Promise<T>): Promise<T> {
  return work();
}

/** Findings that fail are told at the end, the first of them; the rest goes all the same. */
class Collector {
  readonly #dryRun: boolean;
  readonly #items: GcItem[] = [];
  readonly #failures: unknown[] = [];

  constructor(dryRun: boolean) {
    this.#dryRun = dryRun;
  }

  async take({ item, remove }: Finding): Promise<void> {
    await this.attempt(async () => {
      if (!this.#dryRun) await remove();
      this.#items.push(item);
    });
  }

  async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#failures.push(error);
    }
  }

  finish(): GcItem[] {
    if (this.#failures.length > 0) throw this.#failures[0];
    return this.#items;
  }

  hasTaken(kind: GcItem['kind'], app: string): boolean {
    return this.#items.some((item) => item.kind === kind && item.app === app);
  }
}

/** Every app of this root that has files below /run, cgroups or links. Sorted. */
function appsOf(paths: Paths, links: readonly LinkEntry[]): string[] {
  const names = new Set<string>();
  for (const entry of entriesOf(paths.run)) if (/^[a-z][a-z0-9-]*$/.test(entry)) names.add(entry);
  for (const { app } of listAppCgroups(paths, detectCgroups())) names.add(app);
  for (const { app } of notifySocketsOf(paths)) names.add(app);
  for (const { alias } of links) names.add(appOfAlias(paths, alias)!);
  return [...names].sort();
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The node's table and sysctls, if no app has a network (after this run). One step: they only go together. */
async function collectBase(paths: Paths, collector: Collector): Promise<void> {
  const tables = madeOf(paths, undefined, 'nft');
  const sysctls = madeOf(paths, undefined, 'sysctl');
  if (tables.length + sysctls.length === 0 || isBaseUsed(paths, (app) => collector.hasTaken('network', app))) return;
  const staying = claimedElsewhere(paths);
  const items: GcItem[] = [
    ...tables.map(({ table }) => ({ app: undefined, kind: 'nft', name: table }) as const),
    ...sysctls
      .filter(({ key }) => !staying.has(key))
      .map(({ key }) => ({ app: undefined, kind: 'sysctl', name: key }) as const),
  ];
  const first = items[0];
  if (first === undefined) return;
  await collector.take({ item: first, remove: () => releaseBase(paths) });
  for (const item of items.slice(1)) await collector.take({ item, remove: () => undefined });
}
