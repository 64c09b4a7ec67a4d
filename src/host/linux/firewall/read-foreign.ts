import { readFileSync } from 'node:fs';
import { networkAddon } from '../network-native.ts';
import { type ForwardJudgement, judgeForward } from './judge.ts';
import { readLegacy } from './legacy.ts';
import { readRuleset } from './read-ruleset.ts';

const TABLE = 'filter';

/** @returns what other firewalls do with forwarded packets; undefined where that can't be read. */
export function readForeignFirewalls(uplink: string | undefined): ForwardJudgement[] | undefined {
  try {
    const ruleset = readRuleset((request) => networkAddon().nfnetlink(request));
    return ruleset === undefined ? undefined : [...judgeForward(ruleset, uplink), ...readLegacyFirewall(uplink)];
  } catch {
    // No nf_tables, or no right to ask: whoever wants to know is told that it is not known.
    return undefined;
  }
}

/** Its tables are asked for only where they are loaded already: asking would load them. */
function readLegacyFirewall(uplink: string | undefined): ForwardJudgement[] {
  if (!legacyTables().includes(TABLE)) return [];
  const table = networkAddon().readIptables(TABLE);
  if (table === undefined) return [];
  const ruleset = readLegacy(table);
  return judgeForward(ruleset, uplink).map((one) => ({ ...one, tool: ruleset.tool, legacy: true }));
}

function legacyTables(): string[] {
  try {
    return readFileSync('/proc/net/ip_tables_names', 'utf8').split('\n');
  } catch {
    // The kernel has none.
    return [];
  }
}
