import { inspectApp } from '../config/load.ts';
import { formatProblem } from '../config/messages.ts';
import { inspectNode } from '../config/node-config.ts';
import type { AppConfig } from '../config/types.ts';
import type { FirewallState } from '../host/firewall-state.ts';
import type { Host } from '../host/host.ts';
import type { NetworkTrouble } from '../host/network-trouble.ts';
import { platforms } from '../platform/index.ts';
import { isSandboxed } from '../sandbox/enabled.ts';
import { planFirewall, UNRESOLVED } from '../sandbox/firewall.ts';
import { chooseNetwork, type NetworkChoice } from '../sandbox/network.ts';
import type { FirewallPlan } from '../sandbox/plan.ts';
import { callName } from '../sandbox/seccomp/call-name.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import { BLOCK_SIZE } from '../util/ids.ts';
import type { Paths } from '../util/paths.ts';
import { isAbsent } from './control/answer.ts';
import { askStatus } from './control/ask-all.ts';
import { askEvents } from './control/ask-events.ts';
import type { EventRecord } from './control/event-hub.ts';
import type { StatusRecord } from './control/status-record.ts';
import { prepare } from './prepare.ts';
import { READY_TIMEOUT, STOP_TIMEOUT } from './state/settings.ts';

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
  /** The mode that the configuration gives, as `plan` shows it; `host` also without a sandbox. */
  readonly network: NetworkChoice['mode'];
  readonly address: string | undefined;
  readonly address6: string | undefined;
  /** As configured; names are not looked up. */
  readonly configured: FirewallPlan | undefined;
  /** As it is in the kernel. */
  readonly firewall: FirewallState | undefined;
  /** What other tools do to its network, and what it asks of the host in vain. */
  readonly troubles: readonly NetworkTrouble[];
  /**
   * What system call filters did since the daemons were started, as far as the kernel still tells; where one is down or was
   * started again by itself, also during the run that ended. Without what is allowed by now.
   */
  readonly filtered: readonly FilteredFacts[];
  /** Daemons that ended with their supervisor in the last hour, as the one after it has found. */
  readonly lost: readonly LostFacts[];
}

export interface LostFacts {
  readonly daemon: string;
  /** What is known about the supervisor's end. */
  readonly text: string;
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
  /** As the configuration has it; absent where it is not in it. */
  readonly limits?: DaemonLimits;
}

/** Milliseconds that a daemon has, unless it asks for more; Infinity: as long as it likes. */
export interface DaemonLimits {
  /** Undefined: nothing tells that it is ready. */
  readonly start: number | undefined;
  readonly reload: number;
  readonly stop: number;
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
  const names = [...config.daemons, ...statuses.filter(isLeft).map(({ daemon }) => daemon)];
  const daemons = await Promise.all(
    names.map(async (name) => ({
      ...(await daemonFacts(host, paths, app, name, statuses)),
      ...(config.daemons.includes(name) ? { limits: limitsOf(config, name) } : {}),
    })),
  );
  const address = await addressOf(host, paths, app, config.daemons);
  const address6 = address === undefined ? undefined : host.addressOf(paths, app).address6;
  const firewall = await host.firewall(paths, app);
  const network = networkMode(config, paths);
  const now = Date.now();
  return {
    app,
    now,
    nodeFile: `${paths.nodesDirectory}/${app}.conf`,
    problems: problems.length > 0 ? problems.map(formatProblem) : await planProblems(paths, app),
    daemons,
    network,
    address,
    address6,
    configured: configuredFirewall(config, network),
    firewall,
    troubles: await host.networkTroubles(paths, inspectNode(paths).node, app),
    filtered: await filteredFacts(host, paths, config, { daemons, now }),
    lost: await lostFacts(paths, app, now),
  };
}

/** More than a supervisor keeps. */
const ALL_EVENTS = 1_000_000;

async function lostFacts(paths: Paths, app: string, now: number): Promise<LostFacts[]> {
  const events: EventRecord[] = [];
  try {
    await askEvents(paths, { app, daemon: undefined, last: ALL_EVENTS, follow: false }, (one) => events.push(one));
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  return lostOf(events, now);
}

/** Pure. */
export function lostOf(events: readonly EventRecord[], now: number): LostFacts[] {
  return events
    .filter((one) => one.event === 'warning' && one.supervisor !== undefined && now - Date.parse(one.time) < LOOK_BACK)
    .map(({ daemon, text }) => ({ daemon, text: String(text) }));
}

/** It was taken out of the configuration, and runs on. A supervisor of an older version does not tell. */
function isLeft({ configured }: StatusRecord): boolean {
  return configured === false;
}

/** What the next start would be refused for though every value is right: a firewall that can't be kept, a missing file. */
async function planProblems(paths: Paths, app: string): Promise<string[]> {
  try {
    await prepare(paths, app, { daemon: undefined, sandbox: true, start: false, needs: true });
    return [];
  } catch (error) {
    // Who is not root can't know.
    if (!(error instanceof MetactlError) || error.exitStatus === EXIT.needsRoot) return [];
    return [error.hint === undefined ? error.message : `${error.message}; ${error.hint}`];
  }
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

function limitsOf(config: AppConfig, daemon: string): DaemonLimits {
  const section = `daemon.${daemon}`;
  const ready = config.number(section, 'ready.timeout') ?? READY_TIMEOUT;
  return {
    start: config.text(section, 'ready') === undefined ? undefined : ready,
    reload: ready,
    stop: config.number(section, 'timeout-stop-sec') ?? STOP_TIMEOUT,
  };
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

/** What a start would choose; where that is an error (it is told as a problem), what is written. */
function networkMode(config: AppConfig, paths: Paths): NetworkChoice['mode'] {
  if (!isSandboxed(config)) return 'host';
  try {
    return chooseNetwork(config, inspectNode(paths).node).mode;
  } catch {
    return config.text('sandbox.net', 'mode') as NetworkChoice['mode'];
  }
}

/** Milliseconds for which calls are told of where nobody knows when the run began that failed. */
const LOOK_BACK = 3_600_000;
/** A run's beginning is told by another clock than the kernel's log. ms */
const SLACK = 1000;

/** Which of the host's users an app's calls are told under, and since when they have had processes. */
export interface FilteredUsers {
  readonly uid: number;
  readonly uids: number;
  /** Milliseconds since the epoch; the time of asking where none runs. */
  readonly startedAt: number;
}

/**
 * Since when calls count that were made before the living processes began (milliseconds since the epoch): something of the app
 * is down, or was started again by the restart policy, perhaps for such a call. An older one than the run that ended last has
 * nothing to do with that: it was got over. Undefined: somebody has started all of it since, and it has been well. Pure.
 */
export function callsSince(daemons: readonly DaemonFacts[], now: number): number | undefined {
  const since = daemons.flatMap(({ running, status }) => {
    if (running !== undefined && (status?.restarts ?? 0) === 0) return [];
    const exit = status?.lastExit ?? null;
    // It has not run since its supervisor knows it.
    if (exit === null) return status?.state === 'stopped' ? [] : [now - LOOK_BACK];
    const began = Date.parse(exit.at) - exit.uptimeMs - SLACK;
    return [exit.failed ? began : Math.max(began, now - LOOK_BACK)];
  });
  return since.length === 0 ? undefined : Math.min(...since);
}

async function filteredFacts(
  host: Host,
  paths: Paths,
  config: AppConfig,
  { daemons, now }: Pick<WhyFacts, 'daemons' | 'now'>,
): Promise<FilteredFacts[]> {
  const starts = new Map<number, number>();
  for (const { uid, startedAt } of host.listProcesses(paths, config.app)) {
    starts.set(uid, Math.min(startedAt, starts.get(uid) ?? startedAt));
  }
  const leased = host.leasedIds(paths, config.app);
  const named = config.daemons.flatMap((daemon) => configuredUser(host, config, daemon) ?? []);
  const queries = queriesFor(starts, { ...leased, named }, now);
  const allowed = config.words('sandbox', 'allow-syscalls') ?? [];
  const found = await Promise.all(
    queries.map(async ({ startedAt, ...users }) => {
      const since = Math.min(startedAt, callsSince(daemons, now) ?? startedAt);
      const calls = await host.filteredCalls({ ...users, since }, 0);
      return calls
        .map(({ audit, number, ...rest }) => ({ ...rest, call: callName(audit, number) }))
        .filter(({ call, time }) => time >= startedAt || !allowed.includes(call));
    }),
  );
  return found.flat().map(({ call, action, command, time }) => ({ call, action, command, time }));
}

function configuredUser(host: Host, config: AppConfig, daemon: string): number | undefined {
  const name = config.text(`daemon.${daemon}`, 'user');
  return name === undefined ? undefined : host.facts().user(name)?.uid;
}

/**
 * By living processes, leases and configured users. Root's calls are metactl's own or an administrator's and left out.
 * Those of a user namespace are one query. Pure.
 */
export function queriesFor(
  starts: ReadonlyMap<number, number>,
  users: { readonly uid?: number; readonly ids?: number; readonly named: readonly number[] },
  now: number,
): FilteredUsers[] {
  const { uid, ids, named } = users;
  const isInside = (one: number) => ids !== undefined && one >= ids && one < ids + BLOCK_SIZE;
  const single = new Set([...starts.keys(), ...(uid === undefined ? [] : [uid]), ...named]);
  const queries = [...single]
    .filter((one) => one !== 0 && !isInside(one))
    .map((one) => ({ uid: one, uids: 1, startedAt: starts.get(one) ?? now }));
  if (ids === undefined) return queries;
  const inside = [...starts].filter(([one]) => isInside(one)).map(([, startedAt]) => startedAt);
  return [...queries, { uid: ids, uids: BLOCK_SIZE, startedAt: Math.min(now, ...inside) }];
}
