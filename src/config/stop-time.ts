import { parseDuration } from '../util/duration.ts';
import { dependencySettings } from './dependencies.ts';
import * as messages from './messages.ts';
import { LIFECYCLE_KEYS } from './schema/lifecycle.ts';
import type { TrustContext } from './trust.ts';
import type { Setting } from './types.ts';

/** Milliseconds that `.metactl` may add to the longest single `timeout-stop-sec` of administrators. */
const MOST_ADDED = 10 * 60_000;
const KEY = 'timeout-stop-sec';

interface Path {
  /** Milliseconds. */
  readonly time: number;
  /** The first `depends-on` of `.metactl` on it. */
  readonly by: Setting;
}

/**
 * Daemons stop one after the other along `depends-on`, so their times add up, and `stop`, `run` and the machine's shutdown wait
 * for the sum. Where `.metactl` has a part in the order, the sum may be the longest single time that an administrator has
 * set, and ten minutes more. Circles must have been refused.
 */
export function checkStopTime(sections: ReadonlyMap<string, readonly Setting[]>, context: TrustContext): void {
  if (context.full) return;
  const edges = dependencySettings(sections);
  const set = (daemon: string) => sections.get(`daemon.${daemon}`)?.find(({ key }) => key === KEY);
  const time = (setting: Setting | undefined) =>
    typeof setting?.value === 'number' ? setting.value : parseDuration(DEFAULT)!;
  const given = [...edges.keys()].flatMap((daemon) => {
    const setting = set(daemon);
    return setting === undefined || setting.trust === 'application' ? [] : [time(setting)];
  });
  const most = MOST_ADDED + Math.max(0, ...given);
  const longest = longestPath(edges, (daemon) => time(set(daemon)));
  if (longest === undefined || longest.time <= most) return;
  context.problems.at(longest.by.origin, messages.longStop(longest.time, most, context.nodeFile));
}

const DEFAULT = LIFECYCLE_KEYS.find(({ key }) => key === KEY)!.default!;

/** Of the paths with a `depends-on` of `.metactl`, the one that takes longest. Every daemon is looked at once. */
function longestPath(
  edges: ReadonlyMap<string, ReadonlyMap<string, Setting>>,
  cost: (daemon: string) => number,
): Path | undefined {
  const known = new Map<string, { readonly any: number; readonly theirs: Path | undefined }>();
  const from = (daemon: string) => {
    const seen = known.get(daemon);
    if (seen !== undefined) return seen;
    const own = cost(daemon);
    let any = own;
    let theirs: Path | undefined;
    for (const [other, setting] of edges.get(daemon) ?? []) {
      const below = from(other);
      any = Math.max(any, own + below.any);
      const path =
        setting.trust === 'application'
          ? { time: own + below.any, by: setting }
          : below.theirs && { ...below.theirs, time: own + below.theirs.time };
      if (path !== undefined && path.time > (theirs?.time ?? 0)) theirs = path;
    }
    const found = { any, theirs };
    known.set(daemon, found);
    return found;
  };
  const paths = [...edges.keys()].flatMap((daemon) => from(daemon).theirs ?? []);
  return paths.sort((a, b) => b.time - a.time)[0];
}
