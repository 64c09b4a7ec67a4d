import type { InstalledApp } from './manager.ts';

/** Where what is installed of an app is not what its configuration has by now. */
export interface Misfit {
  /** Undefined: all of them. */
  readonly daemon: string | undefined;
  /** A sentence with what to do. */
  readonly text: string;
  /** It has no unit. */
  readonly isMissing?: true;
}

/** What takes units of daemons away that are gone: without any daemon there is nothing to install. Pure. */
export function remover(app: string, daemons: readonly string[]): string {
  return `metactl ${daemons.length === 0 ? 'uninstall' : 'install'} ${app}`;
}

/** What is installed of an app without the units of daemons that are not in its configuration any more: they can only fail. Pure. */
export function withoutGone(installed: InstalledApp, daemons: readonly string[]): InstalledApp {
  const units = installed.units.filter(({ daemon }) => daemon === undefined || daemons.includes(daemon));
  return { ...installed, units };
}

/** What the configuration says about units. */
export interface WantedUnits {
  readonly daemons: readonly string[];
  /** `[service] unit = app`; undefined: as it is installed. */
  readonly single?: boolean;
}

/**
 * Daemons without a unit, and units without a daemon: the service manager starts what was installed, whatever was configured since.
 * By names only; whether texts are up to date `metactl install APP --dry-run` tells. Pure.
 * @returns none where no units are installed.
 */
export function misfitsOf({ app, units }: InstalledApp, { daemons, single }: WantedUnits): readonly Misfit[] {
  if (units.length === 0) return [];
  const isSingle = units.some(({ daemon }) => daemon === undefined);
  const again = `metactl install ${app}`;
  if ((single ?? isSingle) !== isSingle) {
    const [has, wants] = isSingle
      ? ['one unit for all daemons', 'one for each']
      : ['a unit for each daemon', 'one for all'];
    return [{ daemon: undefined, text: `${app} has ${has}, and its configuration wants ${wants}: ${again} makes it` }];
  }
  if (isSingle) return [];
  const installed = units.flatMap(({ daemon }) => daemon ?? []);
  const missing = daemons.filter((daemon) => !installed.includes(daemon));
  const gone = installed.filter((daemon) => !daemons.includes(daemon));
  return [
    ...missing.map((daemon) => ({
      daemon,
      text: `${app}/${daemon} has no unit: ${again} makes one`,
      isMissing: true as const,
    })),
    ...gone.map((daemon) => ({
      daemon,
      text: `${app}/${daemon} has a unit, and is not in the configuration any more: ${remover(app, daemons)} removes it`,
    })),
  ];
}
