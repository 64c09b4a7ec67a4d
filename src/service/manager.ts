import type { ServiceModel } from './model.ts';
import type { ServiceFile } from './service-file.ts';

export type ManagerName = 'systemd' | 'upstart' | 'smf' | 'openrc' | 'runit' | 's6';

/** A program to run: never through a shell. */
export interface Step {
  readonly argv: readonly string[];
  /** Exit statuses, beside 0, that are as good: there was nothing to do. */
  readonly accept?: readonly number[];
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
}

/** A manager that starts at boot what is in its directory. All of it is pure: texts, and commands as data. */
export interface ServiceManager {
  readonly name: ManagerName;
  /** Where it reads its files. */
  readonly directory: string;
  /** The files of an app, sealed. @throws MetactlError for a value that the format can't hold. */
  files(model: ServiceModel): readonly ServiceFile[];
  /** Which of the names in its directory are an app's. */
  find(names: readonly string[], app: string, nodeId: string): InstalledApp;
  /** Undefined: metactl writes its files, but does not drive it. */
  readonly control?: Control;
}

/** What to run, in order. */
export interface Control {
  /**
   * After files were written. `fresh`: units that were not there before, which are started at boot from now on.
   * Says `reload` to the manager once, however many apps and units.
   */
  installed(apps: readonly InstalledApp[], fresh: ReadonlySet<string>): readonly Step[];
  /** Before files are removed: ends what runs and forgets it. `units`: only these. */
  removing(app: InstalledApp, units?: ReadonlySet<string>): readonly Step[];
  /** After files were removed. */
  removed(): readonly Step[];
  enable(app: InstalledApp, daemon: string | undefined): readonly Step[];
  disable(app: InstalledApp, daemon: string | undefined): readonly Step[];
  start(app: InstalledApp, daemon: string | undefined, wait: boolean): readonly Step[];
  stop(app: InstalledApp, daemon: string | undefined, wait: boolean): readonly Step[];
  restart(app: InstalledApp, daemon: string | undefined, wait: boolean): readonly Step[];
  /** Asks how they are; `states` reads what that prints. */
  query(app: InstalledApp): Step;
  states(output: string): readonly UnitState[];
}

/** The units that a command line means. Pure. */
export function unitsFor(app: InstalledApp, daemon: string | undefined): readonly string[] {
  const chosen = daemon === undefined ? app.units : app.units.filter((one) => (one.daemon ?? daemon) === daemon);
  return chosen.map(({ unit }) => unit);
}
