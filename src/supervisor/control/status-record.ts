import type { Usage } from '../../host/host.ts';
import type { LogLoss } from '../logs/loss-ledger.ts';
import type { DaemonStatus } from '../state/types.ts';

/** One daemon as `metactl status --json` prints it: stable. Times in ISO 8601, sizes in bytes; null where it has none. */
export interface StatusRecord {
  readonly node: string;
  readonly app: string;
  readonly daemon: string;
  readonly state: string;
  readonly since: string | null;
  /** Milliseconds in this state, by a clock that is never set. */
  readonly ageMs: number | null;
  readonly ready: boolean;
  /** Of the sandbox's PID 1, on the host. */
  readonly pid: number | null;
  readonly uptimeMs: number | null;
  readonly restarts: number;
  readonly starts: { readonly manual: number; readonly automatic: number };
  readonly lastExit: {
    readonly status: number;
    readonly failed: boolean;
    readonly cause: string;
    readonly uptimeMs: number;
    readonly at: string;
  } | null;
  /** It is `stopped` because it ended by itself, and well. A supervisor of an older version does not tell. */
  readonly done: boolean;
  readonly nextRetry: string | null;
  readonly statusText: string | null;
  readonly reason: string | null;
  readonly memory: number | null;
  /** Microseconds of CPU time of this run. */
  readonly cpuUsec: number | null;
  readonly tasks: number | null;
  readonly ip: string | null;
  readonly ip6: string | null;
  /** `tcp 0.0.0.0:8080` */
  readonly ports: readonly string[];
  /** There may be more of them: the daemon has too many descriptors or processes to look at all. */
  readonly portsCut: boolean;
  /** False: it was taken out of the configuration, and runs on. */
  readonly configured: boolean;
  /** Keys whose values have changed since it was started (`[daemon.web] command`). */
  readonly changed: readonly string[];
  /** Lines that are not in its log, counted since somebody started it; null: none. */
  readonly logLoss: {
    readonly lines: number;
    readonly to: string;
    readonly error: string;
    readonly since: string;
    readonly last: string;
    readonly lasting: boolean;
  } | null;
  readonly supervisor: { readonly pid: number; readonly kind: 'standalone' | 'run' } | null;
}

/** What a supervisor knows about one of its daemons. */
export interface StatusFacts {
  readonly node: string;
  readonly status: DaemonStatus;
  readonly usage: Usage | undefined;
  /** CPU time that earlier runs in the same cgroup had used, microseconds. */
  readonly cpuBefore: number;
  readonly address: string | undefined;
  readonly address6: string | undefined;
  readonly configured: boolean;
  readonly changed: readonly string[];
  readonly loss: LogLoss | undefined;
  readonly supervisor: StatusRecord['supervisor'];
}

/** Spelled out: put together of spread objects, 25 of them take V8 a millisecond of what `metactl status` waits for. Pure. */
export function statusRecord(facts: StatusFacts): StatusRecord {
  const { status } = facts;
  const usage = status.pid === undefined ? undefined : facts.usage;
  return {
    node: facts.node,
    app: status.app,
    daemon: status.daemon,
    state: status.state,
    ready: status.ready,
    restarts: status.restarts,
    starts: status.starts,
    configured: facts.configured,
    changed: facts.changed,
    supervisor: facts.supervisor,
    since: iso(status.since),
    ageMs: Math.round(status.age),
    pid: status.pid ?? null,
    uptimeMs: status.uptime === undefined ? null : Math.round(status.uptime),
    lastExit: lastExitOf(status),
    done: status.done,
    nextRetry: status.nextRetry === undefined ? null : iso(status.nextRetry),
    statusText: status.statusText ?? null,
    reason: status.reason ?? null,
    memory: usage?.memory ?? null,
    cpuUsec: usage === undefined ? null : Math.max(usage.cpuUsec - facts.cpuBefore, 0),
    tasks: usage?.tasks ?? null,
    ip: facts.address ?? null,
    ip6: facts.address6 ?? null,
    ports: usage?.listens ?? [],
    portsCut: usage?.listensCut ?? false,
    logLoss: lossOf(facts.loss),
  };
}

function lastExitOf({ lastExit }: DaemonStatus): StatusRecord['lastExit'] {
  if (lastExit === undefined) return null;
  const { status, failed, cause } = lastExit;
  return { status, failed, cause, uptimeMs: Math.round(lastExit.uptime), at: iso(lastExit.at) };
}

function lossOf(loss: LogLoss | undefined): StatusRecord['logLoss'] {
  if (loss === undefined) return null;
  const { lines, to, error, since, last, lasting } = loss;
  return { lines, to, error, since: iso(since), last: iso(last), lasting };
}

/** A daemon that a supervisor knows by its configuration only, or that no supervisor knows. Pure. */
export function idleRecord(
  { node, app, daemon }: Pick<StatusRecord, 'node' | 'app' | 'daemon'>,
  supervisor: StatusRecord['supervisor'] = null,
): StatusRecord {
  return {
    ...{ node, app, daemon, state: 'stopped', since: null, ageMs: null, ready: false, pid: null, uptimeMs: null },
    ...{
      restarts: 0,
      starts: { manual: 0, automatic: 0 },
      lastExit: null,
      done: false,
      nextRetry: null,
      statusText: null,
    },
    ...{
      reason: null,
      memory: null,
      cpuUsec: null,
      tasks: null,
      ip: null,
      ip6: null,
      ports: [],
      portsCut: false,
      configured: true,
      changed: [],
      logLoss: null,
      supervisor,
    },
  };
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
