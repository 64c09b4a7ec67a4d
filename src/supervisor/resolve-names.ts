import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Resolution, Resolutions } from '../sandbox/firewall.ts';

/** All addresses of a name, v4 and v6. Rejects with an error whose `code` is getaddrinfo's. */
export type Lookup = (name: string) => Promise<readonly { readonly address: string }[]>;

/** The host's own resolver, as `getent ahosts` asks it: /etc/hosts counts. */
const ask: Lookup = (name) => lookup(name, { all: true });

/** Each look-up keeps one of libuv's four threads: two are left for all else, also where no resolver answers. */
const AT_ONCE = 2;
/** Milliseconds for all names together: a start must not wait for dead resolvers longer. */
export const PATIENCE = 5_000;

/**
 * Resolves names, a few at a time. Never rejects: what could not be found out is told as the name's `problem`.
 * `patience`: milliseconds after which names without an answer have the problem ETIMEOUT.
 */
export async function resolveNames(
  names: readonly string[],
  options: { readonly lookup?: Lookup; readonly patience?: number } = {},
): Promise<Resolutions> {
  const found = new Map<string, Resolution>();
  if (names.length === 0) return found;
  const { lookup: look = ask, patience = PATIENCE } = options;
  const waiting = [...names];
  const timeout = new AbortController();
  let late = false;
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined && !late; name = waiting.shift()) {
      const resolution = await resolve(look, name);
      if (!late) found.set(name, resolution);
    }
  };
  const done = Promise.all(Array.from({ length: AT_ONCE }, work));
  await Promise.race([done, sleep(patience, undefined, { signal: timeout.signal }).catch(() => {})]);
  timeout.abort();
  late = true;
  for (const name of names) if (!found.has(name)) found.set(name, { addresses: [], problem: 'ETIMEOUT' });
  return found;
}

async function resolve(look: Lookup, name: string): Promise<Resolution> {
  try {
    const addresses = (await look(name)).map(({ address }) => address.replace(/%.*$/, ''));
    return { addresses: [...new Set(addresses)].sort() };
  } catch (error) {
    return { addresses: [], problem: (error as NodeJS.ErrnoException).code ?? 'EAI_FAIL' };
  }
}
