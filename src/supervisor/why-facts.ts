import { inspectApp } from '../config/load.ts';
import { formatProblem } from '../config/messages.ts';
import type { AppConfig } from '../config/types.ts';
import type { FirewallState, Host } from '../host/host.ts';
import { platforms } from '../platform/index.ts';
import { planFirewall, UNRESOLVED } from '../sandbox/firewall.ts';
import type { FirewallPlan } from '../sandbox/plan.ts';
import { callName } from '../sandbox/seccomp/call-name.ts';
import type { Paths } from '../util/paths.ts';
import { askStatus } from './control/ask-all.ts';
import type { StatusRecord } from './control/status-record.ts';

/** What `why` knows about an app. Plain data: findings are made from it by pure functions. */
export interface WhyFacts {
  readonly app: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Where the app's node file is, for advice. */
  readonly nodeFile: string;
  /** Problems of the configuration, one a line. */
  readonly problems: readonly string[];
  readonly daemons: readonly DaemonFacts[];
  /** `[sandbox.net] mode` as configured; `none` also without a sandbox. */
  readonly network: string;
  readonly address: string | undefined;
  /** As configured; names are not looked up. */
  readonly configured: FirewallPlan | undefined;
  /** As it is in the kernel. */
  readonly firewall: FirewallState | undefined;
  /** What system call filters did since the daemons were started, as far as the kernel still tells. */
  readonly filtered: readonly FilteredFacts[];
}

export interface DaemonFacts {
  readonly name: string;
  /** Absent: it does not run. */
  readonly running?: {
    /** Of its sandbox's PID 1, on the host. */
    readonly pid: number;
    /** Milliseconds since the epoch. */
    readonly since: number;
  };
  /** As its supervisor sees it; absent where none knows it. */
  readonly status?: StatusRecord;
}

export interface FilteredFacts {
  readonly call: string;
  readonly action: string;
  readonly command: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** Collects the facts. Changes nothing. @throws MetactlError METACTL_NO_SUCH_APP (4), METACTL_BAD_NAME (2) */
export async function gatherFacts(host: Host, paths: Paths, app: string): Promise<WhyFacts> {
  const { config, problems } = inspectApp(paths, app, platforms);
  const statuses = await askStatus(paths, app);
  const daemons = await Promise.all(config.daemons.map((name) => daemonFacts(host, paths, app, name, statuses)));
  const address = await addressOf(host, paths, app, config.daemons);
  const firewall = await host.firewall(paths, app);
  const sandboxed = config.flag('sandbox', 'enabled') !== false;
  const network = sandboxed ? (config.text('sandbox.net', 'mode') ?? 'routed') : 'none';
  return {
    app,
    now: Date.now(),
    nodeFile: `${paths.nodesDirectory}/${app}.conf`,
    problems: problems.map(formatProblem),
    daemons,
    network,
    address,
    configured: configuredFirewall(config, network),
    firewall,
    filtered: await filteredFacts(host, paths, app),
  };
}

async function daemonFacts(
  host: Host,
  paths: Paths,
  app: string,
  name: string,
  statuses: readonly StatusRecord[],
): Promise<DaemonFacts> {
  const status = statuses.find(({ daemon }) => daemon === name);
  const known = status === undefined ? {} : { status };
  const running = await host.findRunning(paths, app, name);
  if (running === undefined) return { name, ...known };
  running.close();
  const since = host.listProcesses(paths, app, name).map(({ startedAt }) => startedAt);
  return { name, ...known, running: { pid: running.pid, since: Math.min(...since, Date.now()) } };
}

async function addressOf(
  host: Host,
  paths: Paths,
  app: string,
  daemons: readonly string[],
): Promise<string | undefined> {
  for (const name of daemons) {
    const running = await host.findRunning(paths, app, name);
    running?.close();
    if (running?.address !== undefined) return running.address;
  }
  return undefined;
}

function configuredFirewall(config: AppConfig, network: string): FirewallPlan | undefined {
  if (network === 'none' || network === 'host') return undefined;
  return planFirewall(config, UNRESOLVED, { resolvConf: '', network: 'own' });
}

/** By the users of the app's processes, from the start of the oldest. */
async function filteredFacts(host: Host, paths: Paths, app: string): Promise<FilteredFacts[]> {
  const starts = new Map<number, number>();
  for (const { uid, startedAt } of host.listProcesses(paths, app)) {
    // Root's calls are metactl's own, or an administrator's.
    if (uid !== 0) starts.set(uid, Math.min(startedAt, starts.get(uid) ?? startedAt));
  }
  const found = await Promise.all([...starts].map(([uid, since]) => host.filteredCalls({ uid, since }, 0)));
  return found
    .flat()
    .map(({ audit, number, action, command, time }) => ({ call: callName(audit, number), action, command, time }));
}
