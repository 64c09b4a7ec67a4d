import { networkAddon } from '../network-native.ts';
import { type ForwardJudgement, judgeForward } from './judge.ts';
import { readRuleset } from './read-ruleset.ts';

/** @returns what other firewalls do with forwarded packets; undefined where that can't be read. */
export function readForeignFirewalls(uplink: string | undefined): ForwardJudgement[] | undefined {
  try {
    const ruleset = readRuleset((request) => networkAddon().nfnetlink(request));
    return ruleset === undefined ? undefined : judgeForward(ruleset, uplink);
  } catch {
    // No nf_tables, or no right to ask: whoever wants to know is told that it is not known.
    return undefined;
  }
}
