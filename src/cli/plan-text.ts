import type { AppConfig } from '../config/types.ts';
import type { SysctlChange } from '../host/host.ts';
import type {
  FirewallEntry,
  FirewallPlan,
  IdRange,
  MountFlags,
  MountStep,
  NetworkPlan,
  SandboxPlan,
} from '../sandbox/plan.ts';
import { summary } from '../sandbox/seccomp/index.ts';
import { escapeText } from '../util/escape.ts';
import { isSecretName, MASK, maskText, maskWords } from '../util/mask.ts';
import { formatPublish } from '../util/publish.ts';
import { hideIn, hideInData } from '../util/secrets.ts';
import { shortList } from '../util/short-list.ts';
import { quoteWord } from '../util/words.ts';

/** A plan as `--json` prints it: the seccomp program is summed up, secrets are masked unless revealed. Pure. */
export function planJson(plan: SandboxPlan, config: AppConfig, reveal: boolean): Record<string, unknown> {
  const { seccompProgram, ...process } = plan.process;
  const mask = masker(config, reveal);
  const env = Object.entries(process.env).map(([key, value]) => [key, shown(key, value, mask, reveal)]);
  const argv = maskedArgv(process.argv, config, reveal);
  return {
    ...hideInData({ ...plan, process: undefined }, reveal ? [] : config.secrets),
    process: {
      ...hideInData(process, reveal ? [] : config.secrets),
      argv,
      env: Object.fromEntries(env),
      seccompInstructions: seccompProgram.length / 8,
      seccompSummary: process.seccomp === 'none' ? [] : summary(process.allowSyscalls, process.logSyscalls),
    },
  };
}

/** Hides what the configuration knows as secret, wherever interpolation has carried it, and passwords in URLs. Pure. */
function masker({ secrets }: AppConfig, reveal: boolean): (text: string) => string {
  return reveal ? (text) => text : (text) => maskText(hideIn(text, secrets));
}

/** A variable that is named like a secret is one, however short. */
function shown(key: string, value: string, mask: (text: string) => string, reveal: boolean): string {
  return !reveal && value !== '' && isSecretName(key) ? MASK : mask(value);
}

function maskedArgv(argv: readonly string[], config: AppConfig, reveal: boolean): string[] {
  return (reveal ? argv : maskWords(argv)).map(masker(config, reveal));
}

/** What a start does beside the sandbox. */
export interface PlanSurroundings {
  /** Of the firewall, in the words of the system's own. */
  readonly rules?: string;
  readonly changes?: readonly SysctlChange[];
  /** Where output goes. */
  readonly log?: string;
}

/** A plan for people: one line an effect, in the order in which they happen. Pure. */
export function planText(
  plan: SandboxPlan,
  config: AppConfig,
  reveal: boolean,
  { rules = '', changes = [], log }: PlanSurroundings = {},
): string {
  const lines = [`${plan.app}/${plan.daemon}${plan.sandboxed ? '' : ' (no sandbox)'}`];
  const add = (label: string, value: string) =>
    lines.push(`  ${label.padEnd(13)}${escapeText(reveal ? value : hideIn(value, config.secrets))}`);
  const { identity, process, network } = plan;
  const mask = masker(config, reveal);
  if (plan.sandboxed) {
    const own = [
      ...(network.mode === 'host' ? [] : ['network']),
      ...(plan.userNamespace === undefined ? [] : ['user']),
    ];
    add('namespaces', ['mount pid ipc uts cgroup', ...own].join(' '));
    add('pid', `${plan.firstPid ?? 2}, and counting from there`);
    for (const line of networkLines(network)) add('network', line);
    for (const { key, from, to } of changes) add('sysctl', `${key} ${from} -> ${to}, until the last app leaves`);
  }
  if (plan.firewall !== undefined) for (const line of firewallLines(plan.firewall)) add('firewall', line);
  for (const line of rules.split('\n').filter((text) => text !== '')) add('rule', line.replaceAll('\t', '    '));
  add(
    'identity',
    `${identity.user} uid ${identity.uid} gid ${identity.gid} groups ${identity.groups.join(' ') || '-'}`,
  );
  if (plan.userNamespace !== undefined) {
    const { first, uids, gids } = plan.userNamespace;
    add('ids', `0-65535 inside are ${first}-${first + 65_535} on the host`);
    add('ids on disk', `users ${rangesText(uids, first)}; groups ${rangesText(gids, first)}`);
  }
  add('capabilities', identity.capabilities.join(' ') || 'none');
  add(
    'seccomp',
    process.seccomp === 'none' ? 'none' : `default: ${summary(process.allowSyscalls, process.logSyscalls).join('; ')}`,
  );
  for (const [key, value] of Object.entries(plan.limits)) add('limit', `${key} ${value}`);
  const rlimits = Object.entries(process.rlimits).map(([name, [soft, hard]]) => `${name} ${soft}:${hard}`);
  add('rlimits', rlimits.join(', ').replaceAll('Infinity', 'infinity'));
  add(
    'process',
    `umask ${process.umask.toString(8).padStart(3, '0')} nice ${process.nice} oom-score-adj ${process.oomScoreAdj}`,
  );
  for (const step of plan.root.steps) add(step.op, stepText(step));
  for (const path of plan.root.masked) add('mask', path);
  for (const path of plan.root.readOnly) add('read-only', path);
  for (const { path, fsType, source } of plan.root.leftOut) add('left out', `${path} (${fsType} ${source})`);
  for (const [key, value] of Object.entries(process.env)) {
    add('env', `${key}=${shown(key, value, mask, reveal)}`);
  }
  if (log !== undefined) add('log', log);
  add('cwd', process.workingDirectory);
  add('command', maskedArgv(process.argv, config, reveal).map(quoteWord).join(' '));
  return `${lines.join('\n')}\n`;
}

/** What differs from the block's own ids: `70005 is 1000 inside`. */
function rangesText(ranges: readonly IdRange[], first: number): string {
  const mapped = ranges.filter(({ from, to }) => from !== to);
  const texts = mapped.map(({ from, to }) => `${from} is ${to - first} inside`);
  return [...texts, `${first} and up as on the host`].join(', ');
}

/** What the app may connect to, and what becomes of the rest. Pure. */
export function firewallLines({ policy, accept, resolvers }: FirewallPlan): string[] {
  return [
    ...accept.map(acceptLine),
    ...(resolvers.length === 0 ? [] : [`accept resolvers: ${resolvers.join(' ')} port 53 udp, tcp`]),
    `${policy} all other connections that the app opens`,
  ];
}

function acceptLine({ label, text, name, networks, problem }: FirewallEntry): string {
  if (name === undefined) return `accept ${label}: ${text}`;
  const found = networks.length === 0 ? 'nothing' : shortList(networks);
  return `accept ${label}: ${text}, now ${found}${problem === undefined ? '' : ` (${problem})`}`;
}

function networkLines(network: NetworkPlan): string[] {
  if (network.mode === 'none') return ['none: loopback only'];
  if (network.mode === 'host') return ['host: NOT ISOLATED, the network of this host'];
  const { mode, netns, hostLink, address, address6, publish = [] } = network;
  const addresses = address6 === undefined ? `${address}/32` : `${address}/32 and ${address6}/128`;
  const ways = {
    routed: 'routed: the network reaches the app by its address',
    nat: "nat: IPv4 leaves with the host's address",
  };
  return [
    `${netns}, ${addresses} on veth0, host end ${hostLink}`,
    ways[mode],
    ...publish.map((port) => `publish ${formatPublish(port)}`),
  ];
}

function flags(step: MountFlags): string {
  const words = [step.readOnly ? 'ro' : 'rw', step.noSuid && 'nosuid', step.noDev && 'nodev', step.noExec && 'noexec'];
  return words.filter((word) => word !== false && word !== undefined).join(',');
}

/** The operands of one mount step. Pure. */
export function stepText(step: MountStep): string {
  switch (step.op) {
    case 'bind': {
      const from = step.from === 'inside' ? `(inside) ${step.source}` : step.source;
      return `${step.target}${step.source === step.target ? '' : ` <- ${from}`} ${step.recursive ? 'rec,' : ''}${flags(step)}${step.idmapped ? ',idmapped' : ''}`;
    }
    case 'tmpfs':
      return `${step.target} ${step.size} bytes mode ${step.mode.toString(8)} ${flags(step)}`;
    case 'remount':
      return `${step.target} ${flags(step)}`;
    case 'cgroup':
      return `${step.target} ${step.version === 1 ? step.controllers : 'v2'} ro`;
    case 'overlay':
      return `${step.target} <- ${step.lower.join(' over ')} ro`;
    case 'symlink':
      return `${step.target} -> ${step.to}`;
    case 'device':
      return `${step.target} char ${step.major}:${step.minor} mode ${step.mode.toString(8)}`;
    case 'mkdir':
      return `${step.target} mode ${step.mode.toString(8)}`;
    case 'file':
      return `${step.target} mode ${step.mode.toString(8)}, ${Buffer.byteLength(step.content)} bytes`;
    default:
      return step.target;
  }
}
