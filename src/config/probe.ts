import { splitWords } from '../util/words.ts';

/** How it is known that a daemon is ready, or well. */
export type Probe =
  | { readonly kind: 'notify' }
  | { readonly kind: 'fd'; readonly fd: number }
  | { readonly kind: 'tcp'; readonly port: number }
  /** `port` undefined: the one that the platform serves. */
  | { readonly kind: 'http'; readonly port: number | undefined; readonly path: string }
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  | { readonly kind: 'log'; readonly pattern: string };

/** The kinds that can be asked again and again. */
export type HealthProbe = Extract<Probe, { kind: 'tcp' | 'http' | 'exec' }>;

export const READY_EXPECTED = 'notify, fd:N (from 3 on), tcp:PORT, http:[PORT]/path, exec:COMMAND or log:REGEX';
export const HEALTH_EXPECTED = 'tcp:PORT, http:[PORT]/path or exec:COMMAND';

/** Reads `ready`. Pure. @returns undefined where it is none of these. Regular expressions are not looked into. */
export function parseProbe(text: string): Probe | undefined {
  if (text === 'notify') return { kind: 'notify' };
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  switch (colon < 0 ? '' : text.slice(0, colon)) {
    case 'fd': {
      const fd = number(rest, 3, 999);
      return fd === undefined ? undefined : { kind: 'fd', fd };
    }
    case 'tcp': {
      const port = number(rest, 1, 65_535);
      return port === undefined ? undefined : { kind: 'tcp', port };
    }
    case 'http':
      return http(rest);
    case 'exec': {
      const { words, problem } = splitWords(rest);
      return problem !== undefined || words.length === 0 ? undefined : { kind: 'exec', argv: words };
    }
    case 'log':
      return rest === '' ? undefined : { kind: 'log', pattern: rest };
    default:
      return undefined;
  }
}

/** Reads `health`. Pure. */
export function parseHealth(text: string): HealthProbe | undefined {
  const probe = parseProbe(text);
  return probe?.kind === 'tcp' || probe?.kind === 'http' || probe?.kind === 'exec' ? probe : undefined;
}

function http(text: string): Probe | undefined {
  const [, digits, path] = /^(\d{0,5})(\/[\x21-\x7e]*)$/.exec(text) ?? [];
  if (path === undefined) return undefined;
  const port = digits === '' ? undefined : number(digits!, 1, 65_535);
  return digits !== '' && port === undefined ? undefined : { kind: 'http', port, path };
}

function number(text: string, min: number, max: number): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
