import { readFileSync } from 'node:fs';
import { networkAddon } from '../network-native.ts';
import { type ForwardJudgement, judgeForward } from './judge.ts';
import { readLegacy } from './legacy.ts';
import { readRuleset } from './read-ruleset.ts';
import type { Packet } from './walk.ts';

const TABLE = 'filter';

/** @returns what other firewalls do with forwarded packets of the families; undefined where that can't be read. */
export function readForeignFirewalls(
  uplink: string | undefined,
  families: readonly Packet['family'][],
): ForwardJudgement[] | undefined {
  try {
    const ruleset = readRuleset((request) => networkAddon().nfnetlink(request));
    if (ruleset === undefined) return undefined;
    return [
      ...judgeForward(ruleset, uplink, families),
      ...families.flatMap((family) => readLegacyFirewall(uplink, family)),
    ];
  } catch {
    // No nf_tables, or no right to ask: whoever wants to know is told that it is not known.
    return undefined;
  }
}

/** Its tables are asked for only where they are loaded already: asking would load them. */
function readLegacyFirewall(uplink: string | undefined, family: Packet['family']): ForwardJudgement[] {
  if (!legacyTables(family).includes(TABLE)) return [];
  const table = networkAddon().readIptables(TABLE, family === 'ip6');
  if (table === undefined) return [];
  const ruleset = readLegacy(table, family);
  return judgeForward(ruleset, uplink, [family]).map((one) => ({ ...one, tool: ruleset.tool, legacy: true }));
}

function legacyTables(family: Packet['family']): string[] {
  try {
    return readFileSync(`/proc/net/${family}_tables_names`, 'utf8').split('\n');
  } catch {
    // The kernel has none.
    return [];
  }
}
