import type { Change } from './changes.ts';
import type { ServiceModel } from './model.ts';
import type { ServiceFile } from './service-file.ts';

export type ManagerName = 'systemd' | 'upstart' | 'smf' | 'openrc' | 'runit' | 's6';

/** Something to be done, as data. */
export type Step = RunStep | FileStep;

/** A program to run: never through a shell. */
export interface RunStep {
  readonly argv: readonly string[];
  /** Exit statuses, beside 0, that are as good: there was nothing to do. */
  readonly accept?: readonly number[];
}

/** A file that is partly somebody else's. */
export interface FileStep {
  readonly file: string;
  /** Its text as it is to be, from what it is; undefined: not there. Pure. */
  edit(before: string | undefined): string | undefined;
  /** `add … to` */
  readonly told: string;
}

/** What of an app a manager has, found by the names of its files. */
export interface InstalledApp {
  readonly app: string;
  readonly nodeId: string;
  /** Names of the files, relative to the manager's directory, sorted. */
  readonly files: readonly string[];
  /** One per supervisor; `daemon` is undefined for the one of all daemons. */
  readonly units: readonly { readonly daemon: string | undefined; readonly unit: string }[];
}

/** How a unit is, in the words of `metactl status`. */
export interface UnitState {
  readonly unit: string;
  readonly state: 'stopped' | 'starting' | 'running' | 'stopping' | 'reloading' | 'failed' | 'disabled';
  /** Started at boot; undefined where the manager's answer does not tell. */
  readonly enabled?: boolean;
  readonly pid?: number;
  /** What the manager says about it: `exit-code 69`. */
  readonly reason?: string;
  /** The last start took too long. */
  readonly timedOut?: true;
  /** Units that it can't be up without: what stops or restarts one of them does so with it. Undefined: the manager tells none. */
  readonly needs?: readonly string[];
}

/** A manager that starts at boot what is in its directory. All of it is pure: texts, and commands as data. */
export interface ServiceManager {
  readonly name: ManagerName;
  /** Where it reads its files. */
  readonly directory: string;
  /** The files of an app, sealed. @throws MetactlError for a value that the format can't hold. */
  files(model: ServiceModel): readonly ServiceFile[];
  /**
   * Which of the names in its directory are an app's. @param textOf the text of one: not all managers tell units by names.
   */
  find(
    names: readonly string[],
    app: string,
    nodeId: string,
    textOf?: (name: string) => string | undefined,
  ): InstalledApp;
  /** Whether a file that changes is enabled in a way that no longer holds. @param names all in its directory. */
  isRelinked?(change: Pick<Change, 'name' | 'before' | 'after'>, names: readonly string[]): boolean;
  /** Whether nothing of an app is started at boot, by what is in its directory. @param names all there, `textOf` as for `find`. */
  isDisabled?(app: InstalledApp, names: readonly string[], textOf: (name: string) => string | undefined): boolean;
  /** Links to a file, which are left where that is masked and removed. @param names all in its directory. */
  linksTo?(name: string, names: readonly string[]): readonly string[];
  /** Undefined: metactl writes its files, but does not drive it. */
  readonly control?: Control;
}

/** What to run, in order. */
export interface Control {
  /**
   * After files were written. `added`: those that were not there before; `enable`: they are started at boot from now on;
   * `relinked`: units that `isRelinked` was true for; `disabled`: units that somebody has disabled meanwhile.
   * Says `reload` to the manager once, however many apps and units.
   */
  installed(
    apps: readonly InstalledApp[],
    files: {
      readonly added: ReadonlySet<string>;
      readonly enable: boolean;
      readonly relinked: readonly string[];
      readonly disabled: ReadonlySet<string>;
    },
  ): readonly Step[];
  /** Files have been written; what they say about each other counts from now on. */
  reread(apps: readonly InstalledApp[]): readonly Step[];
  /** Before files are removed: ends what runs and forgets it. `only`: these units go, the rest of the app stays. */
  removing(app: InstalledApp, only?: readonly string[]): readonly Step[];
  /** After files were removed. */
  removed(): readonly Step[];
  enable(app: InstalledApp, daemon: string | undefined): readonly Step[];
  disable(app: InstalledApp, daemon: string | undefined): readonly Step[];
  start(app: InstalledApp, daemon: string | undefined, wait: boolean): readonly Step[];
  stop(app: InstalledApp, daemon: string | undefined, wait: boolean): readonly Step[];
  restart(app: InstalledApp, daemon: string | undefined, wait: boolean): readonly Step[];
  /** Asks how they are; `states` reads what that prints. */
  query(app: InstalledApp): RunStep;
  states(output: string): readonly UnitState[];
  /** What it says is running is ready, too: supervisors tell it. */
  readonly knowsReady?: true;
  /** Milliseconds that units may go on changing after a command that should have waited for them has ended. */
  readonly patience?: number;
}

/** The units that a command line means. Pure. */
export function unitsFor(app: InstalledApp, daemon: string | undefined): readonly string[] {
  const chosen = daemon === undefined ? app.units : app.units.filter((one) => (one.daemon ?? daemon) === daemon);
  return chosen.map(({ unit }) => unit);
}
