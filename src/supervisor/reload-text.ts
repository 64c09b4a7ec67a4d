import type { Reloaded } from './state/types.ts';

/** What `reload` did to a daemon that runs. @param resolved whether names of its firewall were resolved again. Pure. */
export function reloadText(reloaded: Exclude<Reloaded, 'not-running'>, resolved: boolean): string {
  const told = reloaded === 'told' ? 'was told to reload' : 'has no reload-signal and was told nothing';
  return resolved ? `${told}; the names in [firewall.out.accept] were resolved again` : told;
}
