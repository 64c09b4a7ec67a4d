import type { DaemonStatus } from '../state/types.ts';

/** The states of a unit's daemons for `systemctl status`: `ready`, or `web: ready; mailer: starting: waits for db`. Pure. */
export function stateInWords(daemons: readonly DaemonStatus[]): string {
  if (daemons.length === 1) return words(daemons[0]!);
  const groups = new Map<string, string[]>();
  for (const status of daemons) {
    const text = words(status);
    groups.set(text, [...(groups.get(text) ?? []), status.daemon]);
  }
  return [...groups].map(([text, names]) => `${names.join(', ')}: ${text}`).join('; ');
}

/** A daemon at rest, as one unit of several told of it in its last words. */
export interface LastWords {
  readonly state: 'stopped' | 'failed' | 'maintenance';
  readonly reason: string | undefined;
}

const NAMES = /^([a-z][a-z0-9-]*(?:, [a-z][a-z0-9-]*)*): (.*)$/s;
const AT_REST = { stopped: 'stopped', failed: 'failed', 'gave up': 'maintenance' } as const;

/** What `stateInWords` of several daemons said about one; undefined where it said nothing of that kind, or was cut off. Pure. */
export function lastWordsOf(text: string, daemon: string): LastWords | undefined {
  const groups: { names: readonly string[]; words: string }[] = [];
  for (const piece of text.split('; ')) {
    const [, names, own = ''] = NAMES.exec(piece) ?? [];
    const isGroup = names !== undefined && /^(stopped|failed|gave up)(: |$)/.test(own);
    const last = groups.at(-1);
    if (isGroup) groups.push({ names: names.split(', '), words: own });
    else if (last !== undefined) last.words += `; ${piece}`;
  }
  const found = groups.find(({ names }) => names.includes(daemon))?.words;
  if (found === undefined) return undefined;
  const [, what, reason] = /^(stopped|failed|gave up)(?:: (.*))?$/s.exec(found)!;
  return { state: AT_REST[what as keyof typeof AT_REST], reason };
}

function words({ state, statusText, reason, lastExit, restarts }: DaemonStatus): string {
  const cause = lastExit?.cause;
  switch (state) {
    case 'starting':
      return joined(restarts > 0 ? `starting again (restart ${restarts})` : state, statusText);
    case 'degraded':
      return joined('not well', reason);
    case 'backoff':
      return joined('waits to be started again', cause);
    case 'stopping':
      return joined(state, reason);
    case 'failed':
      return joined(state, withCause(reason, cause));
    case 'maintenance':
      return joined('gave up', withCause(reason, cause));
    case 'stopped':
      return joined(state, lastExit?.failed === true ? cause : undefined);
    default:
      return joined(state, statusText);
  }
}

/** Why, and how it ended last, unless the one says the other. */
function withCause(reason: string | undefined, cause: string | undefined): string | undefined {
  if (reason === undefined || cause === undefined) return reason ?? cause;
  return reason.includes(cause) ? reason : `${reason}; last: ${cause}`;
}

function joined(what: string, more: string | undefined): string {
  return more === undefined || more === '' ? what : `${what}: ${more}`;
}
