import type { AppConfig } from '../config/types.ts';
import type { HostFacts } from '../host/host.ts';
import { EXIT, MetactlError } from '../util/error.ts';
import type { Identity } from './plan.ts';

/** Never given to an app, whatever the node file says: each is root by another name (sandbox.md rule 14). */
const NEVER = [
  'NET_ADMIN',
  'NET_RAW',
  'SYS_ADMIN',
  'SYS_PTRACE',
  'MKNOD',
  'DAC_READ_SEARCH',
  'SYS_MODULE',
  'SYS_RAWIO',
];

/** Whether the app's daemons get ids of their own, which the host has nobody for. Pure. */
export function usesUserNamespace(config: AppConfig): boolean {
  return config.flag('sandbox', 'enabled') !== false && config.flag('sandbox', 'user-namespace') === true;
}

/** Whether the app needs a uid of its own: true as soon as one daemon names no user. Pure. */
export function needsLeasedUid(config: AppConfig): boolean {
  return config.daemons.some((daemon) => config.text(`daemon.${daemon}`, 'user') === undefined);
}

/**
 * Who the daemon runs as, in the host's ids: the configured user, or the app's leased uid under the app's name. Pure but for NSS look-ups.
 * @throws MetactlError (78): no such user or group, root without leave, a capability that is never given.
 */
export function planIdentity(
  config: AppConfig,
  daemon: string,
  leased: number | undefined,
  facts: HostFacts,
): Identity {
  const section = `daemon.${daemon}`;
  const name = config.text(section, 'user');
  if (facts.self.uid !== 0) return ourselves(config, section, name, facts);
  const base =
    name === undefined
      ? { name: config.app, uid: leased!, gid: leased! }
      : (facts.user(name) ?? missing(config, section, 'user', name));
  const groupName = config.text(section, 'group');
  const gid = groupName === undefined ? base.gid : groupId(config, section, 'group', groupName, facts);
  const names = config.words(section, 'supplementary-groups') ?? [];
  const groups = names.map((group) => groupId(config, section, 'supplementary-groups', group, facts));
  const rootAllowed = usesUserNamespace(config) || config.flag('sandbox', 'allow-root') === true;
  if (base.uid === 0 && !rootAllowed) refuseRoot(config, section);
  return { user: base.name, uid: base.uid, gid, groups, capabilities: capabilities(config) };
}

/** Without root nothing can become somebody else: plain supervision runs as whoever started it. */
function ourselves(config: AppConfig, section: string, name: string | undefined, { self }: HostFacts): Identity {
  if (name === undefined || name === self.name) {
    return { user: self.name, uid: self.uid, gid: self.gid, groups: self.groups, capabilities: [] };
  }
  throw new MetactlError(
    `${settingPlace(config, section, 'user')}[${section}] user: only root can run it as \`${name}\``,
    {
      code: 'METACTL_NEEDS_ROOT',
      hint: 'run metactl as root',
      exitStatus: EXIT.needsRoot,
    },
  );
}

function groupId(config: AppConfig, section: string, key: string, name: string, facts: HostFacts): number {
  return (facts.group(name) ?? missing(config, section, key, name)).gid;
}

function missing(config: AppConfig, section: string, key: string, name: string): never {
  const what = key === 'user' ? 'user' : 'group';
  throw new MetactlError(
    `${settingPlace(config, section, key)}[${section}] ${key}: there is no ${what} \`${name}\` on this server`,
    {
      code: what === 'user' ? 'METACTL_NO_SUCH_USER' : 'METACTL_NO_SUCH_GROUP',
      path: name,
      hint:
        what === 'user'
          ? 'create it (useradd --system), or leave the key out: the app then gets an id of its own'
          : 'create it (groupadd --system), or take it out',
      exitStatus: 78,
    },
  );
}

function refuseRoot(config: AppConfig, section: string): never {
  throw new MetactlError(
    `${settingPlace(config, section, 'user')}[${section}] user: \`root\` is not allowed in a sandbox`,
    {
      code: 'METACTL_ROOT_REFUSED',
      hint: 'use another user, or set [sandbox] user-namespace = yes in the node file: root inside is then nobody outside; with allow-root = yes it is the root of this server',
      exitStatus: 78,
    },
  );
}

function capabilities(config: AppConfig): readonly string[] {
  const names = (config.words('sandbox', 'capabilities') ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  for (const name of names) {
    const known = CAPABILITIES.includes(name);
    if (known && !NEVER.includes(name)) continue;
    throw new MetactlError(
      `${settingPlace(config, 'sandbox', 'capabilities')}[sandbox] capabilities: \`${name}\` ${known ? 'is never given to an app' : 'is no capability'}`,
      {
        code: 'METACTL_CAPABILITY_REFUSED',
        path: name,
        hint: known ? 'it would let the app out of its sandbox' : 'see capabilities(7) for the names',
        exitStatus: 78,
      },
    );
  }
  return names;
}

/** `file:line: ` of a setting, for messages. Pure. */
export function settingPlace(config: AppConfig, section: string, key: string): string {
  const origin = config.setting(section, key)?.origin;
  return origin === undefined ? '' : `${origin.file}:${origin.line}: `;
}

/** Capability names by number (include/uapi/linux/capability.h). */
export const CAPABILITIES: readonly string[] = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ');
