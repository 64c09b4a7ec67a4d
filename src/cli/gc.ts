import type { Command } from 'commander';
import type { GcItem } from '../host/gc-item.ts';
import { host as hostOfThisMachine } from '../host/index.ts';
import { escapeText } from '../util/escape.ts';
import { contextOf } from './context.ts';
import { jsonText, print } from './print.ts';
import { requireRoot } from './service.ts';

/** `metactl gc`: removes what killed supervisors left behind. */
export function register(program: Command): void {
  program
    .command('gc')
    .description(
      'Remove what killed supervisors left behind: sandboxes, cgroups, networks, mounts, nft rules, sysctls.',
    )
    .option('--dry-run', 'only tell what would be removed')
    .addHelpText('after', '\nWhat belongs to running daemons, to other roots or to other programs stays.')
    .action(async (options: { dryRun?: boolean }, command: Command) => {
      const context = contextOf(command);
      const host = await hostOfThisMachine();
      requireRoot('remove what was left behind');
      const dryRun = options.dryRun === true;
      const items = await host.collectGarbage(context.paths, { dryRun });
      print(context.json ? gcJson(items, dryRun) : gcText(items, dryRun));
    });
}

/** One line per thing, for people. Pure. */
export function gcText(items: readonly GcItem[], dryRun: boolean): string {
  if (items.length === 0) return 'nothing was left behind\n';
  const verb = dryRun ? 'would remove' : 'removed';
  return items
    .map(({ app, kind, name }) => `${verb} ${kind} ${escapeText(name)}${app === undefined ? '' : ` of ${app}`}\n`)
    .join('');
}

/** The shape of `--json`: stable. `app` is null for what all apps share. Pure. */
export function gcJson(items: readonly GcItem[], dryRun: boolean): string {
  return jsonText({ dryRun, items: items.map((item) => ({ ...item, app: item.app ?? null })) }, 2);
}
