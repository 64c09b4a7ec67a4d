import { acceptWarning } from '../config/accept-warning.ts';
import { inspectApp, loadAppAndNode, requireBuilt } from '../config/load.ts';
import { configurationError } from '../config/messages.ts';
import { otherApps } from '../config/other-apps.ts';
import type { AppConfig, LoadedConfig, NodeConfig } from '../config/types.ts';
import type { Host, HostFacts, Lease } from '../host/host.ts';
import { host as hostOfThisMachine } from '../host/index.ts';
import { rememberedFacts } from '../host/remembered-facts.ts';
import { platformNamed, platforms } from '../platform/index.ts';
import type { Need } from '../platform/platform.ts';
import { buildPlan } from '../sandbox/build.ts';
import { isSandboxed, leftOutWarnings } from '../sandbox/enabled.ts';
import { firewallNames, type Resolutions, UNRESOLVED } from '../sandbox/firewall.ts';
import { isBelow } from '../sandbox/host-directories.ts';
import { needsLeasedUid, settingPlace, usesUserNamespace } from '../sandbox/identity.ts';
import { chooseNetwork, hasAddress, type NetworkChoice } from '../sandbox/network.ts';
import type { SandboxPlan } from '../sandbox/plan.ts';
import { type MakeProgram, programMaker } from '../sandbox/seccomp/default-program.ts';
import { SharedParts } from '../sandbox/shared-parts.ts';
import { planStateOwner, type StateOwner } from '../sandbox/state-owner.ts';
import { refuseBlockOwner } from '../sandbox/user-namespace.ts';
import { EXIT, fieldsOf, MetactlError } from '../util/error.ts';
import type { Paths } from '../util/paths.ts';
import { hideInData, hideInError } from '../util/secrets.ts';
import { nearest } from '../util/suggest.ts';
import { unresolved } from './firewall-watch.ts';
import { type ReadinessSettings, readinessSettings } from './ready/settings.ts';
import { resolveNames } from './resolve-names.ts';

export interface PrepareOptions {
  /** Only this daemon; undefined: all of the app. */
  readonly daemon: string | undefined;
  /** False for --no-sandbox. */
  readonly sandbox: boolean;
  /** Take the leases and need root for it; false: only tell what would be done (`plan`). */
  readonly start: boolean;
  /** Check that the files of the command line are there; default: as `start`. */
  readonly needs?: boolean;
  /** Resolve the names in `[firewall.out.accept]`; default: as `start`. */
  readonly names?: boolean;
  /** The app's configuration and the node's, where they have just been loaded (with `sandbox` as here). */
  readonly loaded?: { readonly config: LoadedConfig; readonly node: NodeConfig };
}

/** An app ready to be started: everything is checked, nothing but its leases has been taken. */
export interface Prepared {
  readonly paths: Paths;
  readonly node: NodeConfig;
  readonly host: Host;
  readonly facts: HostFacts;
  /** Bound to the leased address. */
  readonly config: AppConfig;
  readonly lease: Lease;
  readonly plans: readonly SandboxPlan[];
  /** In the order of the plans. */
  readonly readiness: readonly ReadinessSettings[];
  readonly state: StateOwner;
  readonly warnings: readonly string[];
}

/**
 * Loads an app and plans the start of its daemons.
 * @throws MetactlError: 4 no such app, 2 no such daemon, 77 needs root, 78 configuration (all of it before anything is made).
 */
export async function prepare(paths: Paths, app: string, options: PrepareOptions): Promise<Prepared> {
  const host = await hostOfThisMachine();
  if (options.start) host.expectStart();
  const { config: loaded, node } =
    options.loaded ?? loadAppAndNode(paths, app, platforms, options.sandbox ? {} : { sandbox: false });
  try {
    const prepared = await prepareLoaded(paths, app, options, { host, loaded, node });
    return { ...prepared, warnings: hideInData(prepared.warnings, loaded.secrets) };
  } catch (error) {
    throw hideInError(error, loaded.secrets);
  }
}

async function prepareLoaded(
  paths: Paths,
  app: string,
  options: PrepareOptions,
  { host, loaded, node }: { readonly host: Host; readonly loaded: LoadedConfig; readonly node: NodeConfig },
): Promise<Prepared> {
  const daemons = chooseDaemons(loaded, options.daemon);
  requireBuilt(loaded);
  const sandboxed = isSandboxed(loaded);
  if (options.start && sandboxed) host.requireRoot();
  const facts = host.facts();
  const network = chooseNetwork(loaded, node);
  const request = {
    app,
    ...networkRequest(loaded, network),
    wantUid: needsLeasedUid(loaded) && (sandboxed || process.geteuid?.() === 0),
    wantIds: usesUserNamespace(loaded),
  };
  const resolves = options.names ?? options.start;
  const names = resolves && sandboxed ? await resolveNames(app, firewallNames(loaded)) : UNRESOLVED;
  const others = sandboxed ? otherApps(paths, app) : { directories: [], warnings: [] };
  const remembered = rememberedFacts(facts);
  const seccompProgram = await programMaker(facts.arch, loaded.setting('sandbox', 'allow-syscalls') === undefined);
  const planWith = (lease: Lease) => {
    const config = loaded.withAddress(lease.address, lease.address6);
    const sharedParts = new SharedParts();
    const plans = daemons.map((daemon) =>
      planDaemon({
        ...{ paths, config, daemon, network, lease, facts: remembered, host, names, sharedParts, seccompProgram },
        others: others.directories,
        needs: options.needs ?? options.start,
      }),
    );
    return { config, lease, plans };
  };
  // Planned once with the leases it would get, so that a bad configuration takes none.
  let result = planWith(await host.lease(paths, node, { ...request, take: false }));
  const readinessOf = ({ config, lease }: typeof result) =>
    Promise.all(daemons.map((daemon) => readinessSettings(config, daemon, lease.address !== undefined)));
  let readiness = await readinessOf(result);
  const checked = result.plans.flatMap((plan) => [...checkOn(host, plan, facts, loaded)]);
  if (resolves) checked.push(...unresolvedNames(result.plans));
  if (options.start && (sandboxed || request.wantUid)) {
    const taken = await host.lease(paths, node, { ...request, take: true });
    if (!isSameLease(taken, result.lease)) {
      result = planWith(taken);
      readiness = await readinessOf(result);
    }
  }
  const onDisk = result.plans[0]?.userNamespace?.stateOwner ?? {};
  if (!usesUserNamespace(loaded)) {
    const { stateDirectory } = result.config;
    const [plan] = result.plans;
    const first = host.leasedIds(paths, app).ids;
    if (plan !== undefined) refuseBlockOwner(stateDirectory, facts.owner(stateDirectory), first, plan.identity);
  }
  const state = { ...planStateOwner(result.config, result.lease.uid, remembered), ...onDisk };
  const warnings = [
    ...leftOutWarnings(result.config),
    ...openFirewall(result.config),
    ...others.warnings,
    ...state.warnings,
    ...checked,
  ];
  return { paths, node, host, facts, ...result, readiness, state, warnings };
}

/** @throws MetactlError what the host can't do, and where it was set. */
function checkOn(host: Host, plan: SandboxPlan, facts: HostFacts, config: AppConfig): readonly string[] {
  try {
    return host.check(plan, facts);
  } catch (error) {
    if (!(error instanceof MetactlError)) throw error;
    const keys = (error.details?.unenforceable ?? []) as readonly { readonly key: string }[];
    const places = keys.map(({ key }) => settingPlace(config, `daemon.${plan.daemon}`, key));
    const place = places.find((one) => one !== '');
    if (place === undefined) throw error;
    throw new MetactlError(`${place}${error.message}`, { ...fieldsOf(error), cause: error });
  }
}

function isSameLease(a: Lease, b: Lease): boolean {
  return a.address === b.address && a.address6 === b.address6 && a.uid === b.uid && a.ids === b.ids;
}

/** What of the leases is the network's. Pure. */
function networkRequest(config: AppConfig, network: NetworkChoice) {
  const explicit = config.words('sandbox.net', 'ip') ?? [];
  const address = explicit.find((word) => !word.includes(':'));
  const address6 = explicit.find((word) => word.includes(':'));
  const { mode } = network;
  return {
    wantAddress: hasAddress(network),
    wantAddress6: network.ipv6,
    nat: mode === 'nat',
    ...(address === undefined ? {} : { address }),
    ...(address6 === undefined ? {} : { address6 }),
    ...(isSandboxed(config) && (mode === 'host' || mode === 'none') ? { network: mode } : {}),
  };
}

interface PlanContext {
  readonly paths: Paths;
  readonly config: AppConfig;
  readonly daemon: string;
  readonly network: NetworkChoice;
  readonly lease: Lease;
  readonly facts: HostFacts;
  readonly host: Host;
  readonly names: Resolutions;
  readonly others: readonly string[];
  readonly sharedParts: SharedParts;
  readonly seccompProgram: MakeProgram;
  readonly needs: boolean;
}

/** A list of what to accept that protects nothing, since there is no policy. */
function openFirewall(config: AppConfig): string[] {
  const found = acceptWarning(config.setting('firewall.out', 'policy'), config.section('firewall.out.accept'));
  return found === undefined ? [] : [`${found.origin.file}:${found.origin.line}: ${found.text.message}`];
}

/** All daemons of an app have the same firewall. */
function unresolvedNames([plan]: readonly SandboxPlan[]): string[] {
  const entries = plan?.firewall?.accept.filter(({ problem }) => problem !== undefined) ?? [];
  return entries.map((entry) => unresolved(entry).replace(/^warning: /, ''));
}

function planDaemon({
  paths,
  config,
  daemon,
  network,
  lease,
  facts,
  host,
  names,
  others,
  sharedParts,
  seccompProgram,
  needs,
}: PlanContext): SandboxPlan {
  const platform = platformNamed(config.text(`daemon.${daemon}`, 'platform') ?? 'exec');
  const context = { app: config.app, daemon, ownNetwork: lease.address !== undefined };
  const command = platform.command(config, daemon, context);
  if (needs) for (const need of [...command.needs, ...workingDirectory(config, daemon)]) requireNeed(need, facts);
  const hostLink = host.linkName(paths, config.app);
  const about = {
    paths,
    config,
    daemon,
    command,
    network,
    lease,
    facts,
    names,
    hostLink,
    others,
    sharedParts,
    seccompProgram,
  };
  return buildPlan(about);
}

/**
 * A working directory in the release is the same inside as outside, unless something is mounted over it: whether it is there is
 * known before anything is made. Elsewhere only the sandbox can tell.
 */
function workingDirectory(config: AppConfig, daemon: string): readonly Need[] {
  const setting = config.setting(`daemon.${daemon}`, 'working-directory');
  const path = setting?.text ?? '';
  const mounted = [config.stateDirectory, ...config.section('sandbox.mounts').map(({ key }) => key)];
  if (setting === undefined || !isBelow(path, config.directory) || mounted.some((one) => isBelow(path, one))) return [];
  const hint = 'make it, or set working-directory to one that is there';
  return [{ path, kind: 'directory', what: 'working directory', origin: setting.origin, hint }];
}

/** @throws MetactlError (78) where a file that the command line names is not there. */
export function requireNeed(need: Need, facts: HostFacts): void {
  const real = facts.realPath(need.path);
  const state = real === undefined ? 'absent' : facts.state(real);
  if (need.kind === 'directory' ? state === 'directory' : state !== 'absent' && state !== 'directory') return;
  const where = need.origin === undefined || need.origin.line === 0 ? '' : `${need.origin.file}:${need.origin.line}: `;
  const found = state === 'absent' ? 'is not there' : need.kind === 'directory' ? 'is no directory' : 'is a directory';
  throw new MetactlError(`${where}the ${need.what} ${need.path} ${found}`, {
    code: 'METACTL_MISSING_FILE',
    step: 'check the command line',
    path: need.path,
    hint: need.hint ?? 'install it, or correct the path',
    exitStatus: EXIT.configuration,
  });
}

/** All daemons of an app or the one that is asked for. @throws MetactlError: 78 it has none, 2 no such daemon. */
export function chooseDaemons(config: AppConfig, daemon: string | undefined): readonly string[] {
  if (daemon === undefined) {
    if (config.daemons.length > 0) return config.daemons;
    throw new MetactlError(`${config.app} has no daemon`, {
      code: 'METACTL_NO_DAEMON',
      hint: `say what to run: \`metactl edit ${config.app}\`, and give it a section such as [daemon.web] with a command (what is behind # counts for nothing)`,
      exitStatus: EXIT.configuration,
    });
  }
  if (config.daemons.includes(daemon)) return [daemon];
  const near = nearest(daemon, config.daemons);
  throw new MetactlError(
    `${config.app} has no daemon \`${daemon}\`${near === undefined ? '' : `; did you mean \`${near}\`?`}`,
    {
      code: 'METACTL_NO_DAEMON',
      hint: config.daemons.length === 0 ? 'it has none' : `it has ${config.daemons.join(' ')}`,
      exitStatus: EXIT.usage,
    },
  );
}

/**
 * The same for an app that may have a broken configuration, of which only the names matter.
 * @throws MetactlError: as above; 4 no such app; 78 with all problems where these may be why a daemon isn't found.
 */
export function knownDaemons(paths: Paths, app: string, daemon: string | undefined): readonly string[] {
  const { config, problems } = inspectApp(paths, app, platforms);
  if (problems.length === 0 || config.daemons.includes(daemon ?? config.daemons[0] ?? '')) {
    return chooseDaemons(config, daemon);
  }
  throw configurationError(problems);
}
