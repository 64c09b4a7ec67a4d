import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { loadApp, loadNode, requireBuilt } from '../config/load.ts';
import { platforms } from '../platform/index.ts';
import type { Change } from '../service/changes.ts';
import type { Going, Installation } from '../service/install.ts';
import type { ServiceManager, Step } from '../service/manager.ts';
import { type ServiceModel, serviceModel } from '../service/model.ts';
import { programOf, SERVICE_PATH } from '../service/program.ts';
import { chooseDaemons } from '../supervisor/prepare.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { escapeLines } from '../util/escape.ts';
import type { Paths } from '../util/paths.ts';
import { joinWords } from '../util/words.ts';
import type { Context } from './context.ts';
import { jsonText, print, remark } from './print.ts';

/** What the verbs about service managers share. */

/** This very metactl, as a service manager calls it. The init script of System V, which has systemd's name, sets PATH itself. */
export function ownProgram({ name }: Pick<ServiceManager, 'name'>): readonly string[] {
  const find = (command: string) => {
    const path = SERVICE_PATH.map((directory) => join(directory, command)).find((one) => existsSync(one));
    return path === undefined ? undefined : { path, real: realpathSync(path) };
  };
  const [node, script] = [realpathSync(process.execPath), realpathSync(process.argv[1]!)];
  return programOf({ node, script, find }, name === 'systemd');
}

/** @returns makes it, for a program. @throws MetactlError 4 no such app, 78 configuration. */
export function modelOf(paths: Paths, app: string): (program: readonly string[]) => ServiceModel {
  const config = loadApp(paths, app, platforms);
  chooseDaemons(config, undefined);
  requireBuilt(config);
  return (program) => serviceModel(config, paths, program);
}

/** `[node] service-manager`. @throws MetactlError 78 */
export function configuredManager(paths: Paths): string {
  return loadNode(paths).serviceManager;
}

/** @throws MetactlError METACTL_NEEDS_ROOT (77) */
export function requireRoot(what: string): void {
  if (process.geteuid?.() === 0) return;
  throw new MetactlError(`only root may ${what}`, {
    code: 'METACTL_NEEDS_ROOT',
    hint: 'run it as root',
    exitStatus: EXIT.needsRoot,
  });
}

const DONE: Readonly<Record<Change['kind'], string>> = {
  add: 'wrote',
  change: 'wrote',
  remove: 'removed',
  same: 'unchanged:',
};

/** One line per file. Pure. */
export function changesText({ directory, changes, resumed }: Installation): string {
  const files = changes.flatMap((change) => {
    const modes = modeText(directory, change);
    const written = change.before !== change.after?.text || modes === undefined;
    return [...(written ? [`${DONE[change.kind]} ${join(directory, change.name)}\n`] : []), modes ?? ''];
  });
  return [...files, ...(resumed ? ['finished what an earlier run had left undone\n'] : [])].join('');
}

/** `mode 0600 → 0644: FILE`; undefined: it stays as it is. Pure. */
function modeText(directory: string, { name, modeBefore, after }: Change): string | undefined {
  if (modeBefore === undefined || after === undefined) return undefined;
  const octal = (mode: number) => mode.toString(8).padStart(4, '0');
  return `mode ${octal(modeBefore)} → ${octal(after.mode)}: ${join(directory, name)}\n`;
}

/** What would be done: the differences of files, as `diff -u` has them, and the commands. */
export async function dryRunText({ directory, changes, before, after, resumed }: Installation): Promise<string> {
  const { unifiedDiff } = await import('../util/diff.ts');
  const blocked = changes.flatMap(({ name, blocked: why }) =>
    why === undefined ? [] : [`${join(directory, name)}: ${why}: needs --force\n`],
  );
  const links = changes.flatMap(({ name, kind, before: text, blocked: why }) =>
    kind === 'remove' && text === undefined && why === undefined ? [`would remove ${join(directory, name)}\n`] : [],
  );
  const differences = changes.map((one) => unifiedDiff(join(directory, one.name), one.before, one.after?.text));
  const modes = changes.map((one) => modeText(directory, one) ?? '');
  const commands = [...before, ...after].map(commandText);
  const rest = resumed ? ['would finish what an earlier run has left undone\n'] : [];
  const parts = [escapeLines(differences.join('')), ...modes, ...blocked, ...links, ...rest, ...commands];
  return parts.join('') || 'nothing would change\n';
}

function commandText(step: Step): string {
  if ('argv' in step) return `would run: ${joinWords(step.argv)}\n`;
  return `would ${step.told} ${step.file}\n`;
}

/** The shape of `--json`: stable. Pure. */
export function changesJson({ directory, changes, before, after }: Installation, dryRun: boolean): string {
  const files = changes.map(({ name, kind, blocked }) => ({
    file: join(directory, name),
    change: kind,
    blocked: blocked ?? null,
  }));
  return jsonText(
    { dryRun, files, commands: [...before, ...after].flatMap((step) => ('argv' in step ? [step.argv] : [])) },
    2,
  );
}

/**
 * Does something about an installation while no other metactl does; what only looks waits for nobody.
 * @param to the directory of an export. @throws as `withInstallLock`.
 */
export async function whileLocked<T>(
  { paths }: Context,
  {
    dryRun,
    apps,
    to,
  }: { readonly dryRun?: boolean | undefined; readonly apps: readonly string[]; readonly to?: string | undefined },
  work: () => Promise<T>,
): Promise<T> {
  if (dryRun === true) return work();
  const { withInstallLock } = await import('../service/install-lock.ts');
  return withInstallLock({ paths, to, apps, say: remark }, work);
}

/** What runs of the units that go. @throws MetactlError of the manager */
async function upAmong({ manager, going = [] }: Installation): Promise<readonly Going[]> {
  if (going.length === 0 || manager.control === undefined) return [];
  const { statesOf } = await import('../service/drive.ts');
  const states = await statesOf({ ...manager, control: manager.control }, going);
  const down = new Set(states.filter(({ state }) => DOWN.has(state)).map(({ unit }) => unit));
  const known = new Set(states.map(({ unit }) => unit));
  return going.map((one) => ({ ...one, units: one.units.filter(({ unit }) => known.has(unit) && !down.has(unit)) }));
}

const DOWN: ReadonlySet<string> = new Set(['stopped', 'failed', 'disabled']);

/** One line per app of which something runs that is stopped. Pure. @param up units of it that run */
export function stopsText(up: readonly Going[], dryRun: boolean): readonly string[] {
  return up
    .filter(({ units }) => units.length > 0)
    .map(({ app, units, replaced }) => {
      const names = units.map(({ daemon }) => (daemon === undefined ? app : `${app}/${daemon}`)).join(' ');
      const next = `\`metactl start ${app}\` starts what has taken their place`;
      return `${dryRun ? 'would stop' : 'stopped'} ${names}${replaced ? `; ${next}` : ''}`;
    });
}

/** Prints what an installation would do, or carries it out and prints what it did. */
export async function printOrDo(
  context: Context,
  plan: Installation,
  options: { readonly dryRun?: boolean; readonly force?: boolean },
): Promise<void> {
  const dryRun = options.dryRun === true;
  const stops = stopsText(await upAmong(plan), dryRun);
  if (!dryRun) {
    const { carryOutInstallation } = await import('../service/install.ts');
    await carryOutInstallation(plan, options.force === true);
  }
  if (context.json) print(changesJson(plan, dryRun));
  else print(dryRun ? await dryRunText(plan) : changesText(plan));
  for (const line of stops) remark(line);
  for (const app of plan.disabled) {
    remark(`${app} is disabled, and so is what is new of it: metactl enable ${app} has all of it started at boot`);
  }
}
