import { basename, dirname, join } from 'node:path';
import { leftOverOf } from '../config/install.ts';
import { type Change, changesOf, requireUnchanged } from './changes.ts';
import { carryOut, listNames, readFiles, removeLeftOvers, requireNoDirectories, requireNoLinks } from './files.ts';
import type { InstalledApp, ServiceManager, Step } from './manager.ts';
import type { ServiceModel } from './model.ts';
import { runSteps } from './run-steps.ts';
import {
  type InstallRecord,
  readUnfinished,
  recordOf,
  removeRecords,
  type Unfinished,
  writeRecords,
} from './unfinished.ts';

/** What an installation would do, and does. */
export interface Installation {
  readonly manager: ServiceManager;
  readonly directory: string;
  readonly changes: readonly Change[];
  /** When new files are written and before old ones are removed: ends units that go. */
  readonly before: readonly Step[];
  /** Apps with the units that this ends and takes away. */
  readonly going?: readonly Going[];
  /** After. */
  readonly after: readonly Step[];
  /** What says that it is under way, until its last step is done. */
  readonly records: readonly InstallRecord[];
  /** It does what an earlier run has left undone. */
  readonly resumed: boolean;
  /** Apps that are not started at boot, with units that are new and were to be: those are not, either. */
  readonly disabled: readonly string[];
  /** Names of the app's files beside which a killed run may have left another one. */
  readonly littered: readonly string[];
}

export interface Going extends InstalledApp {
  /** The same daemons get other units, which nobody starts. */
  readonly replaced: boolean;
}

export interface InstallOptions {
  /** Where the files go, if not where the manager reads them: then it is told nothing. */
  readonly to?: string;
  /** Start the app's new units at boot. */
  readonly enable: boolean;
  /** `Paths.lib`: where it is written down what is under way. */
  readonly lib: string;
}

/** Looks at what is there and decides; changes nothing. @throws MetactlError */
export function planInstall(
  manager: ServiceManager,
  models: readonly ServiceModel[],
  { to, enable, lib }: InstallOptions,
): Installation {
  const directory = to ?? manager.directory;
  const names = listNames(directory);
  const control = to === undefined ? manager.control : undefined;
  const parts = models.map((model) => {
    const files = manager.files(model);
    const texts = new Map(files.map(({ name, text }) => [name, text]));
    const there = manager.find(names, model.app, model.nodeId, textIn(directory));
    requireNoLinks(directory, [...texts.keys()]);
    requireNoDirectories(directory, [...texts.keys()]);
    const wanted = manager.find([...texts.keys()], model.app, model.nodeId, (name) => texts.get(name));
    const changes = withLinks(manager, changesOf(files, readFiles(directory, there.files)), names);
    const begun = control === undefined ? undefined : readUnfinished(lib, model.app, directory);
    const unfinished = unfinishedOf(manager, directory, changes, names, begun);
    const isDisabled = control !== undefined && enable && staysDisabled(manager, names, wanted, unfinished);
    return { there, wanted, changes, begun, unfinished, isDisabled };
  });
  const changes = parts.flatMap((part) => part.changes);
  const busy = parts.filter((part) => part.begun !== undefined || part.changes.some(isChange));
  const resumed = parts.some(({ begun }) => begun !== undefined);
  const littered = parts.flatMap((part) => litteredOf(manager, names, part.wanted));
  const disabled = parts.flatMap(({ isDisabled, wanted }) => (isDisabled ? [wanted.app] : []));
  const plan = { manager, directory, changes, resumed, disabled, littered };
  if (control === undefined || busy.length === 0) return { ...plan, before: [], after: [], records: [] };
  const apps = parts.map(({ wanted }) => wanted);
  const going = parts.flatMap(({ there, wanted }): Going[] => {
    const kept = new Set(wanted.units.map(({ unit }) => unit));
    const units = there.units.filter(({ unit }) => !kept.has(unit));
    // From one unit for all daemons to one for each, or back.
    const replaced = [...units, ...wanted.units].some(({ daemon }) => daemon === undefined);
    return units.length === 0 ? [] : [{ ...there, units, replaced }];
  });
  const removing = parts.flatMap(({ there }) => {
    const gone = going.filter(({ app }) => app === there.app).flatMap(({ units }) => units.map(({ unit }) => unit));
    return gone.length === 0 ? [] : control.removing(there, gone);
  });
  const written = resumed || changes.some(({ kind }) => kind === 'add' || kind === 'change');
  const added = busy.flatMap(({ unfinished, wanted }) => unfinished.added ?? wanted.files);
  const relinked = busy.flatMap(({ unfinished, wanted }) =>
    (unfinished.relinked ?? []).filter((name) => wanted.files.includes(name)),
  );
  const chosen = new Set(busy.flatMap(({ unfinished, wanted }) => disabledOf(unfinished, wanted)));
  const kept = busy.flatMap(({ isDisabled, wanted }) => (isDisabled ? disabledOf({ disabled: 'all' }, wanted) : []));
  return {
    ...plan,
    going,
    // Else what goes would take along what no longer depends on it.
    before: removing.length > 0 && written ? [...control.reread(apps), ...removing] : removing,
    after: control.installed(apps, {
      ...{ added: new Set(added), enable, disabled: new Set([...chosen, ...kept]) },
      relinked: [...new Set(relinked)].filter((name) => !chosen.has(name)),
    }),
    records: busy.map(({ wanted, unfinished }) => recordOf(lib, wanted.app, unfinished)),
  };
}

/** What is to be told to the manager, with what an earlier run was to tell it. Pure. */
function unfinishedOf(
  manager: ServiceManager,
  directory: string,
  changes: readonly Change[],
  names: readonly string[],
  begun: Unfinished | undefined,
): Unfinished {
  const added = changes.filter(({ kind }) => kind === 'add').map(({ name }) => name);
  const relinked = changes.filter((one) => manager.isRelinked?.(one, names) === true).map(({ name }) => name);
  const all = begun !== undefined && begun.added === undefined;
  return {
    directory,
    ...(all ? {} : { added: [...new Set([...(begun?.added ?? []), ...added])] }),
    relinked: [...new Set([...(begun?.relinked ?? []), ...relinked])],
    ...(begun?.disabled === undefined ? {} : { disabled: begun.disabled }),
  };
}

/** A unit that is new is no reason to start at boot what somebody has disabled. What is new does not tell whether that is so. */
function staysDisabled(
  manager: ServiceManager,
  names: readonly string[],
  { app, nodeId, units, files }: InstalledApp,
  { added }: Unfinished,
): boolean {
  const isNew = (name: string) => added === undefined || added.includes(name);
  if (units.length === 0 || !files.some(isNew)) return false;
  const textOf = textIn(manager.directory);
  const before = names.filter((name) => !isNew(name));
  return manager.isDisabled?.(manager.find(before, app, nodeId, textOf), before, textOf) === true;
}

/** Units, and files that are units. Pure. */
function disabledOf(
  { disabled = [] }: Pick<Unfinished, 'disabled'>,
  { files, units }: InstalledApp,
): readonly string[] {
  return disabled === 'all' ? [...files, ...units.map(({ unit }) => unit)] : disabled;
}

/** Pure. @param names all in the directory. */
function litteredOf(
  manager: ServiceManager,
  names: readonly string[],
  { app, nodeId }: InstalledApp,
): readonly string[] {
  const meant = names.flatMap((name) => {
    const one = leftOverOf(basename(name));
    return one === undefined ? [] : [join(dirname(name), one)];
  });
  return meant.length === 0 ? [] : manager.find(meant, app, nodeId, () => undefined).files;
}

function isChange({ kind }: Change): boolean {
  return kind !== 'same';
}

/** The same for taking away all that is there of an app. @param lib `Paths.lib`. @throws MetactlError */
export function planUninstall(manager: ServiceManager, app: string, nodeId: string, lib: string): Installation {
  const { directory, control } = manager;
  const names = listNames(directory);
  const there = manager.find(names, app, nodeId, textIn(directory));
  const changes = withLinks(manager, changesOf([], readFiles(directory, there.files)), names);
  const resumed = control !== undefined && readUnfinished(lib, app, directory) !== undefined;
  const drives = control !== undefined && (changes.length > 0 || resumed);
  return {
    ...{ manager, directory, changes, resumed, disabled: [], littered: litteredOf(manager, names, there) },
    before: drives ? control.removing(there) : [],
    after: drives ? control.removed() : [],
    records: drives ? [recordOf(lib, app, { directory })] : [],
  };
}

/** With the links to what is masked and goes: the manager does nothing about those. Pure. */
function withLinks(manager: ServiceManager, changes: readonly Change[], names: readonly string[]): readonly Change[] {
  const masked = changes.filter(({ kind, before }) => kind === 'remove' && before === undefined);
  const links = masked.flatMap(({ name }) => manager.linksTo?.(name, names) ?? []);
  return [...changes, ...links.map((name): Change => ({ name, before: undefined, after: undefined, kind: 'remove' }))];
}

/**
 * Carries it out; what fails, or is killed, is taken up by the next run.
 * @throws MetactlError METACTL_UNIT_CHANGED (before anything is done) unless `force`; what the manager says.
 */
export async function carryOutInstallation(plan: Installation, force: boolean): Promise<void> {
  if (!force) requireUnchanged(plan.directory, plan.changes);
  writeRecords(plan.records);
  const goes = ({ after }: Change) => after === undefined;
  carryOut(
    plan.directory,
    plan.changes.filter((change) => !goes(change)),
  );
  await runSteps(plan.before);
  carryOut(plan.directory, plan.changes.filter(goes));
  removeLeftOvers(plan.directory, plan.littered);
  await runSteps(plan.after);
  removeRecords(plan.records);
}

/** What a manager has of an app. @throws MetactlError METACTL_NEEDS_ROOT (77) */
export function installedApp(manager: ServiceManager, app: string, nodeId: string): InstalledApp {
  const { directory } = manager;
  return manager.find(listNames(directory), app, nodeId, textIn(directory));
}

/** The same of several apps. @throws MetactlError METACTL_NEEDS_ROOT (77) */
export function installedApps(
  manager: ServiceManager,
  apps: readonly string[],
  nodeId: string,
): readonly InstalledApp[] {
  const { directory } = manager;
  const names = listNames(directory);
  return apps.map((app) => manager.find(names, app, nodeId, textIn(directory)));
}

function textIn(directory: string): (name: string) => string | undefined {
  return (name) => readFiles(directory, [name])[0]?.text;
}
