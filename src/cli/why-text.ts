import type { WhyFacts } from '../supervisor/why-facts.ts';
import { ago, type WhyFinding } from '../supervisor/why-findings.ts';
import { escapeText } from '../util/escape.ts';
import { shortList } from '../util/short-list.ts';

/** What `why` prints for people: how things are, then what is wrong. Pure. */
export function whyText(facts: WhyFacts, findings: readonly WhyFinding[], color: boolean): string {
  const paint = (code: number, text: string) => (color ? `\x1b[${code}m${text}\x1b[39m` : text);
  const lines = [...stateLines(facts)];
  for (const { severity, what, evidence, todo } of findings) {
    const label = severity === 'error' ? paint(31, 'error') : paint(33, 'warning');
    lines.push(`${label}: ${escapeText(what)}`);
    for (const line of evidence) lines.push(`  ${escapeText(line)}`);
    lines.push(`  do: ${escapeText(todo)}`);
  }
  if (findings.length === 0) lines.push(`nothing is wrong with ${facts.app} as far as metactl can see`);
  return `${lines.join('\n')}\n`;
}

const WITHOUT_FIREWALL: Readonly<Partial<Record<WhyFacts['network'], string>>> = {
  host: "none: the app has this host's network and reaches all that the host does",
  none: 'none: the app has no network but loopback',
};

function* stateLines({
  app,
  daemons,
  now,
  network,
  address,
  address6,
  configured,
  firewall,
}: WhyFacts): Generator<string> {
  const runs = daemons.filter(({ running }) => running !== undefined).length;
  yield `${app}: ${runs} of ${daemons.length} daemons running`;
  for (const { name, running } of daemons) {
    const state = running === undefined ? 'not running' : `pid ${running.pid}, started ${ago(now - running.since)}`;
    yield `  ${name.padEnd(9)} ${state}`;
  }
  yield `  network   ${[network, address, address6].filter((one) => one !== undefined).join(', ')}`;
  if (firewall === undefined && configured !== undefined) {
    // Of a running app a question tells that it was started without.
    yield `  firewall  ${configured.policy}${runs === 0 ? ', once it runs' : ' as configured, not in force'}`;
    for (const { label, text } of configured.accept) yield `            ${escapeText(`${label} = ${text}`)}`;
    return;
  }
  if (firewall === undefined) {
    yield `  firewall  ${WITHOUT_FIREWALL[network] ?? 'none: the app may connect to all that the host can reach'}`;
    return;
  }
  const { plan, refused, resolvedAt } = firewall;
  const { packets } = refused;
  yield `  firewall  ${plan.policy}, ${packets} packet${packets === 1 ? '' : 's'} refused, names resolved ${ago(now - resolvedAt)}`;
  for (const { label, text, name, networks } of plan.accept) {
    const found = name === undefined ? '' : `: ${shortList(networks) || 'nothing'}`;
    yield `            ${escapeText(`${label} = ${text}${found}`)}`;
  }
}

/** The shape of `--json`: stable; times in ISO 8601. Pure. */
export function whyJson(facts: WhyFacts, findings: readonly WhyFinding[]): unknown {
  const { app, daemons, network, address, address6, firewall, now } = facts;
  const time = (milliseconds: number) => new Date(milliseconds).toISOString();
  return {
    app,
    ok: findings.length === 0,
    daemons: daemons.map(({ name, running }) => ({
      name,
      running: running !== undefined,
      pid: running?.pid ?? null,
      startedAt: running === undefined ? null : time(running.since),
    })),
    network: { mode: network, address: address ?? null, address6: address6 ?? null },
    firewall:
      firewall === undefined
        ? null
        : {
            policy: firewall.plan.policy,
            inForce: firewall.inForce,
            accept: firewall.plan.accept,
            resolvers: firewall.plan.resolvers,
            resolvedAt: time(firewall.resolvedAt),
            refused: firewall.refused,
            destinations: firewall.destinations.map(({ agoMs, ...rest }) => ({ ...rest, lastSeen: time(now - agoMs) })),
          },
    findings,
  };
}
