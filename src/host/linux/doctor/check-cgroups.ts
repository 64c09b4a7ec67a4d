import type { Finding } from '../../finding.ts';
import type { CgroupFacts } from '../../host.ts';
import { isAtLeast, type MachineFacts } from './machine-facts.ts';
import { ok, warning } from './make-finding.ts';

type Name = keyof CgroupFacts['controllers'];

/** What each controller carries out. */
const CONTROLLERS: readonly (readonly [Name, string])[] = [
  ['memory', 'memory-max and memory-high'],
  ['cpu', 'cpu-quota and cpu-weight'],
  ['pids', 'tasks-max'],
];

/**
 * Controllers and their versions. A missing one is a warning only: it stops the apps that ask for such a limit, and those
 * are named. Pure.
 */
export function checkCgroups(facts: MachineFacts): Finding[] {
  const { cgroup } = facts;
  const unified = cgroup.unified !== undefined;
  const v1 = Object.values(cgroup.controllers).some((controller) => controller.version === 1);
  if (!unified && !v1) {
    return [
      warning(
        'cgroups',
        'no cgroup file system is mounted: no limit can be enforced',
        'mount -t cgroup2 none /sys/fs/cgroup',
      ),
    ];
  }
  return [
    ok('cgroups', v1 ? (unified ? 'hybrid: v1 controllers beside a v2 tree' : 'version 1') : 'version 2'),
    ...CONTROLLERS.map(([name, keys]) => controller(facts, name, keys)),
    swap(cgroup),
    io(cgroup),
    delegation(cgroup),
    kill(facts),
  ];
}

function controller({ cgroup }: MachineFacts, name: Name, keys: string): Finding {
  const found = cgroup.controllers[name];
  if (found === undefined) {
    return warning(
      `cgroup ${name}`,
      `there is no ${name} controller: apps that set ${keys} don't start unless [sandbox] best-effort = yes`,
      mendController(cgroup, name),
    );
  }
  if (found.version === 1 && name === 'memory') {
    return ok('cgroup memory', `version 1 at ${found.mount}: memory-max is enforced, memory-high needs version 2`);
  }
  return ok(
    `cgroup ${name}`,
    `version ${found.version} at ${found.mount}: ${keys} are enforced`.replace(/^(.*tasks-max) are/, '$1 is'),
  );
}

/** On v2 a controller may be there and only not be handed down to this process's cgroup. */
function mendController(cgroup: CgroupFacts, name: string): string {
  if (name === 'memory') {
    const parameter = cgroup.unified === undefined ? 'cgroup_enable=memory' : 'cgroup_enable=memory, or hand it down';
    return `boot with ${parameter} (Debian and Raspberry Pi kernels may leave it out), and look at /proc/cgroups`;
  }
  if (cgroup.unified === undefined) return `mount it: mount -t cgroup -o ${name} ${name} /sys/fs/cgroup/${name}`;
  return `systemd-run --scope -p Delegate=yes metactl doctor shows whether it is only not handed down to ${cgroup.own ?? '/'}`;
}

function swap(cgroup: CgroupFacts): Finding {
  if (cgroup.swapAccounting) return ok('cgroup swap', 'swap is accounted: memory-swap-max is enforced');
  return warning(
    'cgroup swap',
    "the kernel does not account swap: apps that set memory-swap-max don't start unless [sandbox] best-effort = yes",
    'boot with swapaccount=1, or a kernel with CONFIG_SWAP',
  );
}

function io(cgroup: CgroupFacts): Finding {
  if (cgroup.ioWeight) return ok('cgroup io', `io-weight is enforced by ${cgroup.ioWeightFile ?? 'the kernel'}`);
  return warning(
    'cgroup io',
    "no block device obeys weights: apps that set io-weight don't start unless [sandbox] best-effort = yes",
    'switch a device to BFQ: echo bfq >/sys/block/DEVICE/queue/scheduler',
  );
}

/** Only a v2 tree has one owner for each part of it. */
function delegation(cgroup: CgroupFacts): Finding {
  const name = 'cgroup delegation';
  if (cgroup.unified === undefined) return ok(name, 'version 1 needs none: root makes cgroups in every hierarchy');
  const own = cgroup.own ?? '/';
  if (/^\/user\.slice\//.test(own)) {
    return ok(name, `from this login session (${own}) \`run\` asks systemd for a scope of its own`);
  }
  return ok(name, `daemons' cgroups are made below ${cgroup.unified}${own === '/' ? '' : own}`);
}

/** The root cgroup has no such file: where there is no other yet, the kernel's version tells. */
function kill({ cgroup, kernel, probes }: MachineFacts): Finding {
  const name = 'cgroup.kill';
  if (cgroup.unified === undefined) return ok(name, 'version 1 has none: processes are killed until none is left');
  if (probes[name] === '' || isAtLeast(kernel, 5, 14)) return ok(name, 'everything of a daemon is killed at once');
  return ok(name, 'the kernel is older than 5.14: processes are killed until none is left');
}
