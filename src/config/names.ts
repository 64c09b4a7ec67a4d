import { EXIT, MetactlError } from '../util/error.ts';
import { quoted } from '../util/escape.ts';

/** DESIGN §2: `[a-z][a-z0-9-]{0,30}`, not ending in `-`. */
const NAME = /^[a-z](?:[a-z0-9-]{0,29}[a-z0-9])?$/;

/** The verbs of DESIGN §7. An app of that name could not be told from a verb. */
const VERBS =
  'run start stop restart reload reexec status why logs events metrics top shell exec ip ps tcpdump config plan check ' +
  'new edit changed revert install uninstall enable disable deploy rollback releases build diff java stack cron doctor ' +
  'gc purge completion help version supervise';
/** Verbs announced for later: an app must not take their names, a daemon may (`web` is a common one). */
const LATER_VERBS = 'rollout site nodes agent lb dns web';
/** `/run/metactl/<app>/made.json` is the record of made objects; `exec-<pid>` is what `exec --fresh` calls itself. */
const OWN_DAEMONS = /^(?:made|exec-\d+)$/;

/**
 * What is wrong with an app's or daemon's name.
 * @returns undefined for a good name, else the reason: "…, expected …".
 */
export function nameProblem(name: string, what: 'app' | 'daemon'): string | undefined {
  if (!NAME.test(name)) {
    return `found the ${what} name ${quoted(name)}, expected a lower-case letter, then up to 30 of a–z, 0–9 and -, not ending in -`;
  }
  const verbs = what === 'app' ? `${VERBS} ${LATER_VERBS}` : VERBS;
  const own = what === 'daemon' && OWN_DAEMONS.test(name);
  if (name === 'all' || own || verbs.split(' ').includes(name)) {
    return `found the ${what} name ${quoted(name)}, which is reserved; expected any other name`;
  }
  return undefined;
}

/** @throws MetactlError METACTL_BAD_NAME (exit 2) */
export function requireAppName(name: string): void {
  const problem = nameProblem(name, 'app');
  if (problem === undefined) return;
  throw new MetactlError(problem, { code: 'METACTL_BAD_NAME', exitStatus: EXIT.usage });
}
