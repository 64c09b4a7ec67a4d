import type { Finding } from '../../finding.ts';
import { isAtLeast, type MachineFacts, sysctlOf } from './machine-facts.ts';
import { failed, ok, warning } from './make-finding.ts';

/** package.json `engines`. */
const NODE = [20, 19] as const;
/** Each sandbox takes some descriptors of its supervisor. */
const FEW_FILES = 4096;
/** The kernel's default on small machines; each daemon takes at least two, and the host has its own. */
const FEW_PIDS = 4096;
const FEW_INOTIFY = 128;

/** What runs here besides the kernel. Pure. */
export function checkSystem(facts: MachineFacts): Finding[] {
  return [
    node(facts),
    init(facts),
    clock(facts),
    security(facts),
    lockdown(facts),
    files(facts),
    pids(facts),
    inotify(facts),
  ];
}

function node({ node }: MachineFacts): Finding {
  if (isAtLeast(node, ...NODE)) return ok('Node', `${node}`);
  return failed('Node', `${node} is older than ${NODE.join('.')}`, `install Node ${NODE.join('.')} or newer`, 'any');
}

function init(facts: MachineFacts): Finding {
  const first = facts.files['/proc/1/comm'] ?? 'unknown';
  if (first === 'systemd') return ok('init', 'systemd is PID 1: apps can be its units');
  return ok(
    'init',
    `PID 1 is ${first}, not systemd: metactl start has apps in the background, but none of them starts at boot by itself`,
  );
}

function clock({ clock }: MachineFacts): Finding {
  if (clock === undefined) return ok('time', 'the kernel does not tell whether the clock is synchronised');
  if (clock.synchronised) return ok('time', 'the clock is synchronised');
  const meaning =
    'the clock is not synchronised: times in logs, certificates and leases of other servers may not match';
  return warning('time', meaning, 'timedatectl set-ntp true, or start chronyd or ntpd');
}

function security(facts: MachineFacts): Finding {
  const name = 'security modules';
  const modules = facts.files['/sys/kernel/security/lsm'];
  if (facts.files['/sys/fs/selinux/enforce'] === '1') {
    return warning(
      name,
      'SELinux is enforcing, and metactl brings no policy: what it may do depends on the domain that it was started in',
      'start it from an unconfined_t shell or unit; ausearch -m avc -ts recent shows what was refused',
    );
  }
  if (modules === undefined || modules === '') return ok(name, 'none that metactl has to get along with');
  return ok(
    name,
    `${modules.split(',').join(', ')}: metactl needs nothing of them and nothing of it is known to be refused`,
  );
}

/** `none [integrity] confidentiality`: the one in brackets is on. */
function lockdown(facts: MachineFacts): Finding {
  const state = /\[(\w+)\]/.exec(facts.files['/sys/kernel/security/lockdown'] ?? '')?.[1] ?? 'none';
  return ok('lockdown', state === 'none' ? 'off' : `${state}: it forbids nothing that metactl does`);
}

function files(facts: MachineFacts): Finding {
  const hard = facts.rlimits.nofile?.[1] ?? Number.POSITIVE_INFINITY;
  const text = Number.isFinite(hard) ? String(hard) : 'unlimited';
  if (hard >= FEW_FILES)
    return ok('open files', `at most ${text} for a supervisor, and for its daemons unless limit-nofile says less`);
  return warning(
    'open files',
    `at most ${text} for a supervisor: with many daemons that is too few`,
    'ulimit -Hn 524288, or LimitNOFILE=524288 in the unit',
  );
}

function pids(facts: MachineFacts): Finding {
  const most = Math.min(
    ...['kernel/pid_max', 'kernel/threads-max'].map((key) => Number(sysctlOf(facts, key) ?? Number.POSITIVE_INFINITY)),
  );
  if (most > FEW_PIDS)
    return ok('processes', Number.isFinite(most) ? `at most ${most} on this machine` : 'not limited');
  return warning('processes', `at most ${most} on this machine, threads included`, 'sysctl -w kernel.pid_max=4194304');
}

function inotify(facts: MachineFacts): Finding {
  const instances = sysctlOf(facts, 'fs/inotify/max_user_instances');
  const watches = sysctlOf(facts, 'fs/inotify/max_user_watches');
  if (instances === undefined) return ok('inotify', 'the kernel has none');
  if (Number(instances) >= FEW_INOTIFY)
    return ok('inotify', `${instances} instances and ${watches} watches for each app's user`);
  return warning(
    'inotify',
    `only ${instances} instances for each user: apps that watch files may be refused`,
    'sysctl -w fs.inotify.max_user_instances=1024',
  );
}
