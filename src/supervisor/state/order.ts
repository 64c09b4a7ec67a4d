import type { AppConfig } from '../../config/types.ts';
import type { DaemonStatus } from './types.ts';

/** How far another daemon must have come. */
export type Need = 'started' | 'ready';

/** Daemon → daemon it depends on → how far that must have come. Without circles: the configuration was checked. */
export type Dependencies = ReadonlyMap<string, ReadonlyMap<string, Need>>;

const PREFIX = 'depends-on.';

/** Reads the `depends-on` keys of some of an app's daemons. Pure. */
export function dependenciesOf(config: Pick<AppConfig, 'section'>, daemons: readonly string[]): Dependencies {
  return new Map(
    daemons.map((daemon) => {
      const keys = config.section(`daemon.${daemon}`).filter(({ key }) => key.startsWith(PREFIX));
      return [daemon, new Map(keys.map(({ key, text }) => [key.slice(PREFIX.length), text as Need]))];
    }),
  );
}

/** What some daemons depend on that is not among them: another supervisor's matter. Pure. */
export function leftOut(dependencies: Dependencies): readonly { readonly daemon: string; readonly other: string }[] {
  return [...dependencies].flatMap(([daemon, needs]) =>
    [...needs.keys()].filter((other) => !dependencies.has(other)).map((other) => ({ daemon, other })),
  );
}

/**
 * Whether a daemon has come as far as another one needs. `lost`: it won't get there unless somebody starts it.
 * One that ended well has been started: a daemon that only prepares something can be depended on as `started`. Pure.
 */
export function progress(need: Need, status: DaemonStatus): 'met' | 'pending' | 'lost' {
  const { state, uptime, ready, done } = status;
  if (need === 'ready' ? ready : uptime !== undefined && state !== 'stopping') return 'met';
  if (done) return need === 'started' ? 'met' : 'lost';
  return state === 'stopped' || state === 'failed' || state === 'maintenance' || state === 'disabled'
    ? 'lost'
    : 'pending';
}

/** What a daemon still waits for. Pure. */
export interface Waiting {
  readonly waitFor: readonly string[];
  /** Some of it won't come by itself. */
  readonly lost: boolean;
  /** `waits for db, which is in maintenance`. */
  readonly text: string;
}

/** @param statusOf undefined for daemons that this supervisor does not have: nobody waits for them. Pure. */
export function waitingOf(
  needs: ReadonlyMap<string, Need>,
  statusOf: (daemon: string) => DaemonStatus | undefined,
): Waiting {
  const open = [...needs].flatMap(([other, need]) => {
    const status = statusOf(other);
    const found = status === undefined ? 'met' : progress(need, status);
    return found === 'met' ? [] : [{ other, lost: found === 'lost', state: status!.state }];
  });
  const words = open.map(({ other, lost, state }) =>
    lost ? `${other}, which ${STATE_WORDS[state] ?? `is ${state}`}` : other,
  );
  return {
    waitFor: open.map(({ other }) => other),
    lost: open.some(({ lost }) => lost),
    text: `waits for ${words.join(' and ')}`,
  };
}

const STATE_WORDS: Readonly<Record<string, string>> = {
  stopped: 'has ended',
  failed: 'has failed',
  maintenance: 'is in maintenance',
};

/** What depends directly on each daemon that anything depends on. Pure. */
export function directDependents(dependencies: Dependencies): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const [daemon, needs] of dependencies) {
    for (const other of needs.keys()) {
      const others = found.get(other);
      if (others === undefined) found.set(other, [daemon]);
      else others.push(daemon);
    }
  }
  return found;
}

/** All that depend on a daemon, directly or not, in no particular order. Pure. @param direct as `directDependents` gives it. */
export function dependentsOf(
  dependencies: Dependencies,
  daemon: string,
  direct: ReadonlyMap<string, readonly string[]> = directDependents(dependencies),
): ReadonlySet<string> {
  return reach([daemon], (one) => direct.get(one) ?? []);
}

/** These and all that depend on them, directly or not. Looks at each daemon's needs once, however many are asked for. Pure. */
export function withDependents(dependencies: Dependencies, daemons: readonly string[]): ReadonlySet<string> {
  const direct = directDependents(dependencies);
  return new Set([...daemons, ...reach(daemons, (one) => direct.get(one) ?? [])]);
}

/** All that a daemon depends on, directly or not, as far as it is there. Pure. */
export function requirementsOf(dependencies: Dependencies, daemon: string): ReadonlySet<string> {
  return reach([daemon], (one) => [...(dependencies.get(one)?.keys() ?? [])].filter((name) => dependencies.has(name)));
}

function reach(from: readonly string[], next: (daemon: string) => readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const open = [...from];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    for (const name of next(one)) {
      if (found.has(name)) continue;
      found.add(name);
      open.push(name);
    }
  }
  return found;
}
