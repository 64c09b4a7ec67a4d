import type { AppRequest } from '../../host/host.ts';
import type { SandboxPlan } from '../../sandbox/plan.ts';
import { MetactlError } from '../../util/error.ts';
import { pathsFor } from '../../util/paths.ts';
import { appRequest } from '../app-request.ts';
import { type Fingerprint, fingerprintOf } from '../control/fingerprint.ts';
import { type LogSettings, logSettings } from '../logs/settings.ts';
import type { Prepared } from '../prepare.ts';
import { compileMatcher } from '../ready/log-match.ts';
import type { Condition, ReadinessSettings } from '../ready/settings.ts';
import { type DaemonSettings, daemonSettings } from '../state/settings.ts';

/**
 * All that a daemon in the background is kept by once it has been prepared. Plain data (but for the matcher of a pattern,
 * which can be made again from its text): it may outlive the process that made it (`reexec`).
 */
export interface UnitSpec {
  readonly node: string;
  readonly address: string | undefined;
  readonly address6: string | undefined;
  /** All daemons of the app's configuration, and its directory. */
  readonly daemons: readonly string[];
  readonly directory: string;
  readonly plan: SandboxPlan;
  readonly request: Omit<AppRequest, 'onWarning'>;
  readonly settings: DaemonSettings;
  readonly readiness: ReadinessSettings;
  readonly log: LogSettings;
  readonly fingerprint: Fingerprint;
  /** Of the configuration: what is said about the daemon hides them. */
  readonly secrets: readonly string[];
}

/** Pure. */
export function unitSpec(prepared: Prepared, plan: SandboxPlan): UnitSpec {
  const { node, lease, config, plans, readiness } = prepared;
  const settings = readiness[plans.indexOf(plan)]!;
  const log = logSettings(config, plan.daemon, 'file');
  return {
    node: node.name,
    address: lease.address,
    address6: lease.address6,
    daemons: config.daemons,
    directory: config.directory,
    plan,
    request: appRequest(prepared, plan),
    settings: daemonSettings(config, plan.daemon, settings.ready !== undefined),
    readiness: settings,
    // There is no standard output to pass it on to.
    log: log.to === 'stdout' ? { ...log, to: 'file' } : log,
    fingerprint: fingerprintOf(config, plan.daemon),
    secrets: config.secrets,
  };
}

/** A spec as plain data through and through. Pure. */
export interface PackedSpec extends Omit<UnitSpec, 'request' | 'readiness'> {
  readonly root: string;
  readonly request: Omit<UnitSpec['request'], 'paths'>;
  readonly readiness: Omit<ReadinessSettings, 'ready'>;
  readonly ready: Condition | { readonly kind: 'log'; readonly pattern: string } | undefined;
}

/** Pure. */
export function packSpec({ request, readiness, ...rest }: UnitSpec): PackedSpec {
  const { paths, ...requested } = request;
  const { ready, ...settings } = readiness;
  const condition = ready?.kind === 'log' ? ({ kind: 'log', pattern: ready.pattern } as const) : ready;
  return { ...rest, root: paths.root, request: requested, readiness: settings, ready: condition };
}

/** @throws MetactlError METACTL_HANDOVER for a pattern that is none for this version. */
export async function unpackSpec({ root, request, readiness, ready, ...rest }: PackedSpec): Promise<UnitSpec> {
  return {
    ...rest,
    request: { ...request, paths: pathsFor(root) },
    readiness: { ...readiness, ready: await unpackCondition(ready) },
  };
}

async function unpackCondition(ready: PackedSpec['ready']): Promise<Condition | undefined> {
  if (ready?.kind !== 'log') return ready;
  const matches = await compileMatcher(ready.pattern);
  if (typeof matches === 'function') return { kind: 'log', pattern: ready.pattern, matches };
  throw new MetactlError(`the pattern ${ready.pattern} is none: ${matches.problem}`, { code: 'METACTL_HANDOVER' });
}
