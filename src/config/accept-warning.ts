import type { Text } from './messages.ts';
import type { Origin, Setting } from './types.ts';

/**
 * What to tell where somebody lists what to accept and nobody sets a policy: such a list protects nothing. Pure.
 * @returns undefined where a policy is written, also `accept`.
 */
export function acceptWarning(
  policy: Setting | undefined,
  accept: readonly Setting[],
): { readonly text: Text; readonly origin: Origin } | undefined {
  const [first] = accept;
  if (policy !== undefined || first === undefined) return undefined;
  return {
    text: {
      message:
        '[firewall.out.accept] protects nothing: without [firewall.out] policy the app may connect to everything',
      hint: 'add [firewall.out] policy = reject',
    },
    origin: first.origin,
  };
}
