import type { Instead, SectionSpec } from '../types.ts';
import { ADMINISTRATORS } from './layers.ts';

/**
 * Directives that would put the supervisor itself into a namespace, from which it could build no sandbox as planned, and
 * what does the same for the daemons. From systemd.exec(5) of systemd 257; which ones imply a mount namespace is decided
 * by `exec_needs_mount_namespace()`.
 */
const NAMESPACES: Readonly<Record<string, string>> = {
  ...each('`[sandbox] tmp-size`', 'PrivateTmp'),
  ...each('`[sandbox.mounts]`', 'BindPaths BindReadOnlyPaths BindLogSockets InaccessiblePaths InaccessibleDirectories'),
  ...each('`[sandbox.mounts]`', 'ReadOnlyPaths ReadOnlyDirectories ReadWritePaths ReadWriteDirectories ExecPaths'),
  ...each(
    '`[sandbox.mounts]`',
    'NoExecPaths TemporaryFileSystem ProtectSystem ProtectHome MountImages ExtensionImages',
  ),
  ...each('`[sandbox.mounts]`', 'ExtensionDirectories RootDirectory RootDirectoryStartOnly RootImage RootImageOptions'),
  ...each('`[sandbox.mounts]`', 'RootImagePolicy MountImagePolicy ExtensionImagePolicy RootHash RootHashSignature'),
  ...each('`[sandbox.mounts]`', 'RootVerity RootEphemeral MountFlags MountAPIVFS'),
  ...each('`[sandbox] devices`', 'PrivateDevices'),
  ...each('`[sandbox.net] mode`', 'PrivateNetwork NetworkNamespacePath'),
  ...each('`[sandbox] user-namespace`', 'PrivateUsers PrivateUsersEx UserNamespacePath'),
  ...each('`[daemon.NAME] user`', 'DynamicUser'),
  ...each('`[daemon.NAME] log.to`', 'LogNamespace'),
  ...each('`[sandbox] enabled`', 'PrivateMounts PrivateIPC IPCNamespacePath PrivatePIDs PrivateBPF ProtectHostname'),
  ...each('`[sandbox] enabled`', 'ProtectHostnameEx ProtectControlGroups ProtectControlGroupsEx ProtectKernelLogs'),
  ...each(
    '`[sandbox] enabled`',
    'ProtectKernelModules ProtectKernelTunables ProtectProc ProcSubset RestrictNamespaces',
  ),
};

/** What makes a supervisor of the unit, and what metactl says about the daemon itself. */
const OWN: Readonly<Record<string, string>> = {
  ...each(
    '`[daemon.NAME] command`',
    'ExecStart Type NotifyAccess Delegate KillMode RemainAfterExit GuessMainPID PIDFile',
  ),
  ...each('`[daemon.NAME] user` and `group`', 'User Group SupplementaryGroups'),
  ...each('`[daemon.NAME] restart`', 'Restart RestartPreventExitStatus RestartForceExitStatus SuccessExitStatus'),
  ...each('`[daemon.NAME] reload-signal`', 'ExecReload'),
  ...each('`[daemon.NAME] restart-sec`', 'RestartSec'),
  ...each('`[daemon.NAME] cpu-weight` and the other limits', 'Slice'),
  ...each('`[daemon.NAME] ready.timeout`', 'TimeoutStartSec'),
  ...each('`[daemon.NAME] timeout-stop-sec`', 'TimeoutStopSec'),
  ...each('`[daemon.NAME] ready.timeout` and `timeout-stop-sec`', 'TimeoutSec'),
  ...each('`[daemon.NAME] watchdog-sec`', 'WatchdogSec'),
  ...each('`[daemon.NAME] kill-signal`', 'KillSignal RestartKillSignal'),
};

/** Whether a supervisor that dies is started again is no policy for daemons, which have one of their own. Old names in [Service]. */
const LIMITS = each(
  '`[daemon.NAME] start-limit-burst` and `start-limit-interval-sec`',
  'StartLimitIntervalSec StartLimitInterval StartLimitBurst StartLimitAction',
);
const ITSELF = 'metactl sets it itself';

const SEES = 'it would change what the supervisor itself sees, and every sandbox with it';

/** `[systemd.Unit|Service|Install]`: what administrators add to the units that `metactl install` writes. */
export const SYSTEMD: readonly SectionSpec[] = [
  { name: 'Unit', instead: { ...told({ JoinsNamespaceOf: '`[sandbox] enabled`' }, SEES), ...told(LIMITS, ITSELF) } },
  { name: 'Service', instead: { ...told(NAMESPACES, SEES), ...told({ ...OWN, ...LIMITS }, ITSELF) } },
  { name: 'Install', instead: {} },
].map(({ name, instead }) => ({
  name: `systemd.${name}`,
  doc: `Goes into [${name}] of the app's systemd units as it is, behind what metactl writes. Keys may be repeated.`,
  layers: ADMINISTRATORS,
  repeats: true,
  keyPattern: /^[A-Za-z][A-Za-z0-9-]*$/,
  keyExpected: 'the name of a directive',
  instead: new Map<string, Instead>(Object.entries(instead)),
  keys: [{ key: '*', type: 'text', doc: 'The value of the directive.' }],
}));

function each(key: string, directives: string): Record<string, string> {
  return Object.fromEntries(directives.split(' ').map((name) => [name, key]));
}

function told(keys: Readonly<Record<string, string>>, why: string): Record<string, Instead> {
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, { key, why }]));
}
