import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { readOutcome } from '../nft-answer.ts';
import { LINK_KINDS } from './check-network.ts';
import { errorName } from './error-name.ts';
import { doctorAddon } from './native.ts';
import { fibProbe, natProbe, setsProbe, tableProbe } from './nft-probes.ts';

/** What is tried of nf_tables, and the modules that it may be in. */
const NFT = [
  { name: 'nf_tables', modules: ['nf_tables', 'nfnetlink'], batch: tableProbe },
  { name: 'nft fib', modules: ['nf_tables', 'nft_fib', 'nft_fib_inet'], batch: fibProbe },
  { name: 'nft nat', modules: ['nf_tables', 'nft_chain_nat', 'nft_masq', 'nf_nat'], batch: natProbe },
  { name: 'nft sets', modules: ['nf_tables', 'nf_tables_set'], batch: setsProbe },
];

/**
 * Tries links and nf_tables in a network namespace that is thrown away. What is a module that isn't loaded is left alone
 * and told to be so: trying it would load it.
 */
export function probeNetwork(): Record<string, string> {
  const loadable = unloadedModules();
  const kinds = Object.keys(LINK_KINDS);
  const asModule = [
    ...kinds.filter((kind) => loadable(kind)).map((kind) => `link ${kind}`),
    ...NFT.filter(({ modules }) => modules.some(loadable)).map(({ name }) => name),
  ];
  const tried = kinds.filter((kind) => !loadable(kind));
  const rules = NFT.filter(({ name }) => !asModule.includes(name));
  const { error, links, answers } = doctorAddon().probeNetwork(
    tried,
    rules.map(({ batch }) => batch()),
  );
  const met = new Map<string, string>(asModule.map((name) => [name, 'module']));
  for (const [at, kind] of tried.entries()) met.set(`link ${kind}`, errorName(error || links[at]!));
  for (const [at, { name }] of rules.entries()) met.set(name, error === 0 ? refusalOf(answers[at]!) : errorName(error));
  return Object.fromEntries(met);
}

function refusalOf(answer: Uint8Array): string {
  const { refusal, acknowledged } = readOutcome(answer);
  return refusal === undefined ? (acknowledged > 0 ? '' : 'EPROTO') : errorName(refusal.errno);
}

/** Whether a module is on disk, and neither loaded nor built in. */
function unloadedModules(): (name: string) => boolean {
  let list = '';
  try {
    list = readFileSync(`/lib/modules/${release()}/modules.dep`, 'utf8');
  } catch {
    // A kernel without modules, or a container without the host's.
  }
  return (name) => new RegExp(`/${name}\\.ko(\\.\\w+)?:`, 'm').test(list) && !existsSync(`/sys/module/${name}`);
}
