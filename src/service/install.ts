import { type Change, changesOf, requireUnchanged } from './changes.ts';
import { carryOut, listNames, readFiles, requireNoLinks } from './files.ts';
import type { InstalledApp, ServiceManager, Step } from './manager.ts';
import type { ServiceModel } from './model.ts';
import { runSteps } from './run-steps.ts';

/** What an installation would do, and does. */
export interface Installation {
  readonly manager: ServiceManager;
  readonly directory: string;
  readonly changes: readonly Change[];
  /** Before files are written: ends units that go. */
  readonly before: readonly Step[];
  /** After. */
  readonly after: readonly Step[];
}

export interface InstallOptions {
  /** Where the files go, if not where the manager reads them: then it is told nothing. */
  readonly to?: string;
  /** Start the app's new units at boot. */
  readonly enable: boolean;
}

/** Looks at what is there and decides; changes nothing. @throws MetactlError */
export function planInstall(
  manager: ServiceManager,
  models: readonly ServiceModel[],
  { to, enable }: InstallOptions,
): Installation {
  const directory = to ?? manager.directory;
  const names = listNames(directory);
  const parts = models.map((model) => {
    const there = manager.find(names, model.app, model.nodeId, textIn(directory));
    const wanted = manager.files(model);
    requireNoLinks(
      directory,
      wanted.map(({ name }) => name),
    );
    const changes = changesOf(wanted, readFiles(directory, there.files));
    return { model, there, changes };
  });
  const changes = parts.flatMap((part) => part.changes);
  const control = to === undefined ? manager.control : undefined;
  const changed = changes.some(({ kind }) => kind !== 'same');
  if (control === undefined || !changed) return { manager, directory, changes, before: [], after: [] };
  const named = (kind: Change['kind']) => new Set(changes.filter((one) => one.kind === kind).map(({ name }) => name));
  const apps = parts.map(({ model }) => {
    const texts = new Map(manager.files(model).map(({ name, text }) => [name, text]));
    return manager.find([...texts.keys()], model.app, model.nodeId, (name) => texts.get(name));
  });
  return {
    ...{ manager, directory, changes },
    before: parts.flatMap(({ there }, at) => {
      const kept = new Set(apps[at]!.units.map(({ unit }) => unit));
      const gone = there.units.map(({ unit }) => unit).filter((unit) => !kept.has(unit));
      return gone.length === 0 ? [] : control.removing(there, gone);
    }),
    after: control.installed(apps, {
      added: named('add'),
      enable,
      relinked: changes.filter((one) => manager.isRelinked?.(one, names) === true).map(({ name }) => name),
    }),
  };
}

/** The same for taking away all that is there of an app. @throws MetactlError */
export function planUninstall(manager: ServiceManager, app: string, nodeId: string): Installation {
  const { directory, control } = manager;
  const there = manager.find(listNames(directory), app, nodeId, textIn(directory));
  const changes = changesOf([], readFiles(directory, there.files));
  const drives = control !== undefined && changes.length > 0;
  return {
    ...{ manager, directory, changes },
    before: drives ? control.removing(there) : [],
    after: drives ? control.removed() : [],
  };
}

/**
 * Carries it out. @throws MetactlError METACTL_UNIT_CHANGED (before anything is done) unless `force`; what the manager says.
 */
export async function carryOutInstallation(plan: Installation, force: boolean): Promise<void> {
  if (!force) requireUnchanged(plan.directory, plan.changes);
  await runSteps(plan.before);
  carryOut(plan.directory, plan.changes);
  await runSteps(plan.after);
}

/** What a manager has of an app. @throws MetactlError METACTL_NEEDS_ROOT (77) */
export function installedApp(manager: ServiceManager, app: string, nodeId: string): InstalledApp {
  const { directory } = manager;
  return manager.find(listNames(directory), app, nodeId, textIn(directory));
}

function textIn(directory: string): (name: string) => string | undefined {
  return (name) => readFiles(directory, [name])[0]?.text;
}
