import { basename, dirname, join } from 'node:path';
import type { AppConfig } from '../config/types.ts';
import type { HostFacts, Lease } from '../host/host.ts';
import { notifyPath } from '../host/notify.ts';
import type { CommandLine } from '../platform/platform.ts';
import type { Paths } from '../util/paths.ts';
import { checkAppDirectory } from './app-directory.ts';
import { isSandboxed, isWithoutSandbox } from './enabled.ts';
import { etcFiles, TTY_GROUP } from './etc-files.ts';
import { planFirewall, type Resolutions, requireSmall, UNRESOLVED } from './firewall.ts';
import { isBelow } from './host-directories.ts';
import { planIdentity, settingPlace, usesUserNamespace } from './identity.ts';
import { planLimits } from './limits.ts';
import { mountRequests } from './mount-requests.ts';
import { type NetworkChoice, planNetwork } from './network.ts';
import { NOTIFY_INSIDE, notifies, readyDescriptor } from './notify.ts';
import { firstPid } from './pids.ts';
import type { FirewallPlan, Identity, NetworkPlan, RootPlan, SandboxPlan, UserNamespacePlan } from './plan.ts';
import { planProcess } from './process.ts';
import { planRoot } from './root.ts';
import type { SeccompOptions } from './seccomp/index.ts';
import { SharedParts } from './shared-parts.ts';
import { directoryOwner, planUserNamespace, refuseStateOwner } from './user-namespace.ts';

/** Everything that a plan is made from. */
export interface PlanInput {
  readonly paths: Paths;
  /** Bound to the leased address. */
  readonly config: AppConfig;
  readonly daemon: string;
  readonly command: CommandLine;
  readonly network: NetworkChoice;
  readonly lease: Lease;
  readonly facts: HostFacts;
  /** What the names of the firewall stand for. Absent: not looked up. */
  readonly names?: Resolutions;
  /** The name of the host end of the app's veth pair. */
  readonly hostLink: string;
  /** App directories of the node's other apps (`config/other-apps.ts`). */
  readonly others: readonly string[];
  readonly seccompProgram: (arch: string, options: SeccompOptions) => Uint8Array;
  /** Where what is the same for all of the app's daemons is kept, if several are planned. */
  readonly sharedParts?: SharedParts;
}

/** Where the app's shared temporary directories are on the host. Pure. */
export function temporaryDirectories(paths: Paths, app: string, facts: HostFacts): { tmp: string; varTmp: string } {
  const mount = `${realPathOf(facts, paths.runApp(app))}/tmp`;
  return { tmp: `${mount}/tmp`, varTmp: `${mount}/var-tmp` };
}

/**
 * Turns a configuration into the exact plan of one daemon's start. Pure but for the look-ups of `facts`.
 * @throws MetactlError (78) where the configuration can't be carried out on this machine.
 */
export function buildPlan(input: PlanInput): SandboxPlan {
  const { config, daemon, lease, paths } = input;
  const parts = input.sharedParts ?? new SharedParts();
  const { users, userNamespace } = parts.once('users', () => planUsers(input));
  const identity = users[config.daemons.indexOf(daemon)]!;
  const sandboxed = isSandboxed(config);
  const network = parts.once('network', () => planNetwork(paths, config, input.network, lease, input.hostLink));
  const notify = notifies(config, daemon) ? notifyOf(input, sandboxed) : undefined;
  const root = sandboxed
    ? parts.once(`root ${notify ?? ''}`, () => rootPlan(input, users, userNamespace, notify))
    : { steps: [], common: 0, masked: [], readOnly: [], leftOut: [] };
  const firewall = parts.once('firewall', () => firewallPlan(input, root, network));
  return {
    app: config.app,
    daemon,
    sandboxed,
    hostname: config.app,
    ...(sandboxed ? firstPid(config.daemons.indexOf(daemon)) : {}),
    network,
    ...(firewall === undefined ? {} : { firewall }),
    root,
    ...(userNamespace === undefined ? {} : { userNamespace }),
    ...(notify === undefined ? {} : { notify }),
    ...readyDescriptor(config, daemon),
    identity,
    process: planProcess({ ...input, sharedParts: parts, identity, ...notifySocket(notify, sandboxed) }),
    limits: planLimits(config, daemon),
    bestEffort: config.flag('sandbox', 'best-effort') === true,
  };
}

/** The same for all daemons: of a root it matters only how names are resolved. */
function firewallPlan({ config, names }: PlanInput, root: RootPlan, network: NetworkPlan): FirewallPlan | undefined {
  const about = { resolvConf: resolvConfOf(root), network: linkOf(config, network) };
  const firewall = planFirewall(config, names ?? UNRESOLVED, about);
  if (firewall !== undefined) requireSmall(config, firewall);
  return firewall;
}

/** By its real path: mounting follows no symlink. */
function notifyOf({ paths, config, daemon, facts }: PlanInput, sandboxed: boolean): string {
  const path = notifyPath(paths, config.app, daemon, sandboxed);
  return join(realPathOf(facts, dirname(path)), basename(path));
}

function notifySocket(notify: string | undefined, sandboxed: boolean): { notifySocket?: string } {
  return notify === undefined ? {} : { notifySocket: sandboxed ? NOTIFY_INSIDE : notify };
}

/** Who the app's daemons are. Without root a plan is only shown, and nothing can be mapped. */
function planUsers({ config, lease, facts }: PlanInput): {
  users: readonly Identity[];
  userNamespace?: UserNamespacePlan;
} {
  const users = config.daemons.map((name) => planIdentity(config, name, lease.uid, facts));
  if (lease.ids === undefined || facts.self.uid !== 0 || !usesUserNamespace(config)) return { users };
  const { identities, plan } = planUserNamespace(config, users, lease.uid, lease.ids, facts.idmappedMounts());
  return { users: identities, userNamespace: plan };
}

/** Which of the app's directories need an idmapped mount. @throws MetactlError (78) METACTL_STATE_OWNER */
function idmapped(
  facts: HostFacts,
  directory: string,
  stateDirectory: string,
  namespace: UserNamespacePlan,
): { directory: boolean; stateDirectory: boolean } {
  // One that is not there yet will be made for it.
  const own = namespace.stateOwner;
  const uid = facts.owner(stateDirectory) ?? own.uid;
  const state = directoryOwner(uid, namespace);
  if (state === 'foreign') refuseStateOwner(stateDirectory, uid, own);
  const release = facts.owner(directory);
  return {
    stateDirectory: state === 'mapped',
    directory: release !== undefined && directoryOwner(release, namespace) === 'mapped',
  };
}

/** Where the app's packets can be told from others'. Who says `--no-sandbox` wants no firewall either. */
function linkOf(config: AppConfig, network: NetworkPlan): 'own' | 'none' | 'shared' {
  if (isWithoutSandbox(config)) return 'none';
  if (!isSandboxed(config)) return 'shared';
  return 'hostLink' in network ? 'own' : network.mode === 'none' ? 'none' : 'shared';
}

/** The resolver's configuration that the sandbox will have. */
function resolvConfOf(root: RootPlan): string {
  const step = root.steps.find((one) => one.op === 'file' && one.target.endsWith('/resolv.conf'));
  return step?.op === 'file' ? step.content : '';
}

/**
 * The real path of something that may not be there yet: the plan must hold no symlink, because mounting follows none.
 * (Administrators do link /var/lib/metactl to another volume.)
 */
function realPathOf(facts: HostFacts, path: string): string {
  const real = facts.realPath(path);
  if (real !== undefined || path === '/') return real ?? path;
  const parent = realPathOf(facts, dirname(path));
  return join(parent, basename(path));
}

/**
 * The machine as it will be when the sandbox is built: openApp makes metactl's own directories and the app's state before
 * that. Without this the first plan on a new server would neither hide nor bind them.
 */
function afterOpening(facts: HostFacts, made: readonly string[]): HostFacts {
  const willBeThere = (path: string) => made.some((directory) => isBelow(directory, path));
  const state = (path: string) => {
    const now = facts.state(path);
    return now === 'absent' && willBeThere(path) ? 'directory' : now;
  };
  return { ...facts, state, realPath: (path) => facts.realPath(path) ?? (willBeThere(path) ? path : undefined) };
}

function rootPlan(
  { config, facts: now, lease, others, paths }: PlanInput,
  users: readonly Identity[],
  namespace: UserNamespacePlan | undefined,
  notify: string | undefined,
) {
  const directory = realPathOf(now, config.directory);
  const stateDirectory = realPathOf(now, config.stateDirectory);
  const facts = afterOpening(now, [realPathOf(now, paths.lib), realPathOf(now, paths.run), stateDirectory]);
  const covered = [paths.etc, paths.lib, paths.log, paths.run].map((path) => realPathOf(now, path));
  const home = realPathOf(now, paths.appHome(config.app));
  const elsewhere = others.flatMap((told) => {
    const real = now.realPath(told);
    return real === undefined ? [] : [{ told, real }];
  });
  const decidedByRoot = () => now.decidedByRoot(config.directory);
  const told = config.directory;
  // By their ids on disk, without a user namespace.
  const disk = () => config.daemons.map((name) => planIdentity(config, name, lease.uid, now));
  const mayEnter = (path: string) => disk().every((user) => now.mayEnter(path, user));
  checkAppDirectory({
    told,
    real: directory,
    covered,
    home,
    stateDirectory,
    others: elsewhere,
    decidedByRoot,
    mayEnter,
  });
  return planRoot({
    facts,
    covered,
    directory,
    directoryLink: directory === config.directory ? undefined : config.directory,
    stateDirectory,
    own: [config.directory, config.stateDirectory, directory, stateDirectory],
    others,
    ...(namespace === undefined
      ? {}
      : {
          idmapped: idmapped(now, directory, stateDirectory, namespace),
          terminals: namespace.first + TTY_GROUP,
        }),
    temporary: temporaryDirectories(paths, config.app, facts),
    files: etcFiles({
      app: config.app,
      addresses: [lease.address, lease.address6].filter((address) => address !== undefined),
      users: users.map(({ user, uid, gid }) => ({ name: user, uid, gid })),
      home: config.stateDirectory,
      resolvConf: facts.read('/etc/resolv.conf'),
      upstreamResolvConf: facts.read('/run/systemd/resolve/resolv.conf'),
    }),
    devices: config.words('sandbox', 'devices') ?? [],
    devicesPlace: settingPlace(config, 'sandbox', 'devices'),
    mounts: mountRequests(config),
    ...(notify === undefined ? {} : { notify }),
  });
}
