import type { RefusedDestination } from '../host/firewall-state.ts';
import type { FirewallPlan } from '../sandbox/plan.ts';
import { whyNeverAllowed } from '../sandbox/seccomp/extra.ts';
import { shortList } from '../util/short-list.ts';
import type { FilteredFacts, WhyFacts } from './why-facts.ts';
import {
  daemonsAreNotConfigured,
  daemonsAreNotWell,
  daemonsDoNotRun,
  daemonsWereRestarted,
  logsLoseLines,
  restartIsNeeded,
  supervisorWasLost,
} from './why-supervision.ts';

/** Something that is wrong with an app, or may be: what, how it is known, what to do. */
export interface WhyFinding {
  /** Stable, for `--json`: `not-running`. */
  readonly id: string;
  readonly severity: 'error' | 'warning';
  /** One sentence. */
  readonly what: string;
  readonly evidence: readonly string[];
  /** One sentence that begins with what to do. */
  readonly todo: string;
}

/** One question about an app. Each answers from the facts alone, and knows nothing of the others. Pure. */
export type Question = (facts: WhyFacts) => readonly WhyFinding[];

const configurationIsWrong: Question = ({ app, problems }) =>
  problems.length === 0
    ? []
    : [
        {
          id: 'configuration',
          severity: 'error',
          what: `the configuration of ${app} has ${count(problems.length, 'error')}: the next start would fail`,
          evidence: problems,
          todo: `correct it; \`metactl check ${app}\` tells when it is well`,
        },
      ];

const rulesAreGone: Question = ({ app, firewall }) =>
  firewall === undefined || firewall.inForce
    ? []
    : [
        {
          id: 'firewall-gone',
          severity: 'error',
          what: `the firewall rules of ${app} are not in force`,
          evidence: ['somebody removed or changed them: `nft flush ruleset` and a restart of nftables.service do'],
          todo: 'wait: the supervisor puts them back at once, or within 5 seconds; if it does not, restart the app',
        },
      ];

const firewallIsNotAsConfigured: Question = ({ app, configured, firewall, daemons }) => {
  if (!daemons.some(({ running }) => running !== undefined)) return [];
  if (essence(configured) === essence(firewall?.plan)) return [];
  return [
    {
      id: 'firewall-changed',
      severity: 'warning',
      what: `[firewall.out] of ${app} has been changed since it was started`,
      evidence: [`in force: ${essence(firewall?.plan)}`, `configured: ${essence(configured)}`],
      todo: `restart ${app}`,
    },
  ];
};

const namesDoNotResolve: Question = ({ app, firewall, now }) => {
  const failed = firewall?.plan.accept.filter(({ problem }) => problem !== undefined) ?? [];
  if (failed.length === 0) return [];
  return [
    {
      id: 'name-unresolved',
      severity: 'warning',
      what: `${count(failed.length, 'name')} in [firewall.out.accept] of ${app} did not resolve`,
      evidence: failed.map(({ label, name, problem, networks }) => {
        const effect = networks.length === 0 ? 'nothing is allowed for it' : `it keeps ${shortList(networks)}`;
        return `${label}: ${name}: ${problem}, ${ago(now - firewall!.resolvedAt)}; ${effect}`;
      }),
      todo: `look at \`getent ahosts ${failed[0]!.name}\` on this server; \`metactl reload ${app}\` resolves again at once`,
    },
  ];
};

const connectionsWereRefused: Question = ({ app, firewall, nodeFile }) => {
  if (firewall === undefined || firewall.refused.packets === 0) return [];
  const { refused, destinations } = firewall;
  const first = destinations[0];
  const example = first === undefined ? 'LABEL = HOST:PORT' : `LABEL = ${endpoint(first)}`;
  return [
    {
      id: 'refused',
      severity: 'warning',
      what: `the firewall refused ${count(refused.packets, 'packet')} of ${app} since it was started`,
      evidence: destinations.slice(0, MOST).map(destinationText),
      todo: `if ${app} may connect there, add a line such as \`${example}\` to [firewall.out.accept] in ${nodeFile} and restart it`,
    },
  ];
};

const othersAreInTheWay: Question = ({ app, troubles }) =>
  troubles.map(({ id, what, todo }) => ({
    id,
    severity: 'warning',
    what: `${app} runs, but ${what}`,
    evidence: [],
    todo,
  }));

const callsWereFiltered: Question = ({ app, filtered, nodeFile, now }) => {
  if (filtered.length === 0) return [];
  const calls = [...new Set(filtered.map(({ call }) => call))];
  const line = ({ call, action, command, time }: FilteredFacts) => `${command}: ${call}, ${action}, ${ago(now - time)}`;
  return [
    {
      id: 'system-call',
      severity: 'warning',
      what: `the system call filter stopped ${count(filtered.length, 'call')} of ${app}`,
      evidence: filtered.slice(-MOST).reverse().map(line),
      todo: allowing(calls, nodeFile),
    },
  ];
};

/** What to do about calls: the line that would allow those which can be. Pure. */
function allowing(calls: readonly string[], nodeFile: string): string {
  const names = calls.filter((call) => whyNeverAllowed(call) === undefined);
  const line = `\`[sandbox] allow-syscalls = ${names.join(' ')}\` in ${nodeFile}`;
  const first =
    names.length === 0
      ? 'let the app do without it'
      : `if the app needs it and you trust it with it, allow it: ${line}`;
  const never = calls.filter((call) => !names.includes(call));
  return [first, ...never.map((call) => `${call} can't be allowed: it ${whyNeverAllowed(call)}`)].join('; ');
}

/** All questions, the gravest first. */
export const QUESTIONS: readonly Question[] = [
  configurationIsWrong,
  daemonsDoNotRun,
  daemonsAreNotWell,
  daemonsWereRestarted,
  supervisorWasLost,
  logsLoseLines,
  restartIsNeeded,
  daemonsAreNotConfigured,
  rulesAreGone,
  firewallIsNotAsConfigured,
  namesDoNotResolve,
  othersAreInTheWay,
  connectionsWereRefused,
  callsWereFiltered,
];

/** What is wrong, by the facts. Pure. */
export function findingsOf(facts: WhyFacts, questions: readonly Question[] = QUESTIONS): WhyFinding[] {
  return questions.flatMap((question) => question(facts));
}

/** Lines of evidence that are worth reading. */
const MOST = 10;

/** `tcp 192.0.2.9:443, 3 packets, 5 s ago`. Pure. */
function destinationText(one: RefusedDestination): string {
  return `${one.protocol} ${hostPort(one)}, ${count(one.packets, 'packet')}, ${ago(one.agoMs)}`;
}

/** As [firewall.out.accept] has it: of what has no ports only ICMP can be named. */
function endpoint(one: RefusedDestination): string {
  const protocol = one.protocol === 'ipv6-icmp' ? 'icmp' : one.protocol;
  return `${hostPort(one)}${protocol === 'udp' || protocol === 'icmp' ? `/${protocol}` : ''}`;
}

function hostPort({ address, port }: RefusedDestination): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return port === undefined ? host : `${host}:${port}`;
}

/** What an administrator wrote, without what names stand for. */
function essence(plan: FirewallPlan | undefined): string {
  if (plan === undefined) return 'everything is allowed';
  return [`policy ${plan.policy}`, ...plan.accept.map(({ label, text }) => `${label} = ${text}`)].join('; ');
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

/** Milliseconds as `just now`, `12 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. Pure. */
export function ago(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'just now';
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}
