import { setTimeout as sleep } from 'node:timers/promises';
import { host } from '../host/index.ts';
import type { Resolution, Resolutions } from '../sandbox/firewall.ts';
import { NameLookups } from './name-lookups.ts';

/** Those of this process. */
const LOOKUPS = new NameLookups(async (name) => (await host()).lookUp(name));

/** Milliseconds for all names together: a start must not wait for dead resolvers longer. */
export const PATIENCE = 5_000;

export interface ResolveOptions {
  readonly lookups?: NameLookups | undefined;
  readonly patience?: number;
  /** Gives up what has no answer yet. */
  readonly signal?: AbortSignal;
}

/**
 * Resolves names for an app, a few at a time. Never rejects: what could not be found out is told as the name's `problem`.
 * `patience`: milliseconds after which names without an answer have the problem ETIMEOUT.
 */
export async function resolveNames(
  app: string,
  names: readonly string[],
  options: ResolveOptions = {},
): Promise<Resolutions> {
  const found = new Map<string, Resolution>();
  if (names.length === 0) return found;
  const { lookups = LOOKUPS, patience = PATIENCE } = options;
  const over = new AbortController();
  const giveUp = () => over.abort();
  options.signal?.addEventListener('abort', giveUp);
  if (options.signal?.aborted) over.abort();
  const takeBack = lookups.ask(app, names, (name, resolution) => {
    if (!over.signal.aborted) found.set(name, resolution);
    if (found.size === names.length) over.abort();
  });
  await sleep(patience, undefined, { signal: over.signal }).catch(() => {});
  over.abort();
  options.signal?.removeEventListener('abort', giveUp);
  takeBack();
  return new Map(names.map((name) => [name, found.get(name) ?? { addresses: [], problem: 'ETIMEOUT' }]));
}
