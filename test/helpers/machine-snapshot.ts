import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { MARK, readProcesses, type SeenProcess } from './machine-processes.ts';

/** What the machine holds that a test could leave behind. Lists may hold the same line twice. */
export interface Snapshot {
  readonly objects: Readonly<Record<string, readonly string[]>>;
  readonly processes: ReadonlyMap<number, SeenProcess>;
  /** Host pids inside `metactl*` cgroups. */
  readonly inCgroups: ReadonlySet<number>;
  readonly roots: readonly string[];
}

/**
 * Takes stock of network namespaces with a name, links, routes, proxy neighbours, forwarding sysctls, nft rules, mounts,
 * `metactl*` cgroups, accounts, telling descriptors of this process, processes with their namespaces, and all files
 * below `roots`.
 */
export function snapshot(roots: readonly string[] = []): Snapshot {
  const cgroups = metactlCgroups();
  return {
    objects: {
      'named network namespace': list('/run/netns'),
      link: list('/sys/class/net'),
      route: [...command('ip', '-o', 'route', 'show', 'table', 'all'), ...command('ip', '-6', '-o', 'route')].map(
        (line) => line.replace(/ expires \S+/, ''),
      ),
      'proxy neighbour': [
        ...command('ip', '-4', 'neigh', 'show', 'proxy'),
        ...command('ip', '-6', 'neigh', 'show', 'proxy'),
      ],
      sysctl: sysctls(),
      'nft rule': nftRules(),
      mount: mounts(),
      cgroup: cgroups,
      account: ['/etc/passwd', '/etc/group'].flatMap((file) => lines(file)),
      descriptor: descriptors(),
      file: ['/run/metactl', ...roots].flatMap((root) => files(root)),
    },
    processes: readProcesses(process.env[MARK]),
    inCgroups: new Set(cgroups.flatMap((path) => lines(join(path, 'cgroup.procs')).map(Number))),
    roots,
  };
}

/** Directories `metactl*` at the top of each cgroup hierarchy (v2: also of this process's own cgroup) and all below. */
function metactlCgroups(): string[] {
  const tops = lines('/proc/self/mountinfo')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4] ?? '');
  const own = lines('/proc/self/cgroup').find((line) => line.startsWith('0::/') && line !== '0::/');
  if (own !== undefined) tops.push(...tops.map((top) => join(top, own.slice(3))).filter((path) => existsSync(path)));
  const found = tops.flatMap((top) =>
    list(top)
      .filter((name) => name.startsWith('metactl'))
      .flatMap((name) => [join(top, name), ...directories(join(top, name))]),
  );
  return [...new Set(found)];
}

function directories(path: string): string[] {
  return entries(path)
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => [join(path, entry.name), ...directories(join(path, entry.name))]);
}

function files(path: string): string[] {
  return entries(path).flatMap((entry) => [
    join(path, entry.name),
    ...(entry.isDirectory() ? files(join(path, entry.name)) : []),
  ]);
}

/** Whoever makes the first named network namespace after a boot, `ip` or metactl, makes this place, and it stays. */
const NETNS_PLACE = '/run/netns';

/** Without the mount's and its parent's number, which change when a mount is made again. */
function mounts(): string[] {
  return lines('/proc/self/mountinfo')
    .map((line) => line.split(' ').slice(2))
    .filter((fields) => fields[2] !== NETNS_PLACE)
    .map((fields) => fields.join(' '));
}

function sysctls(): string[] {
  const perLink: readonly (readonly [string, readonly string[]])[] = [
    ['net/ipv4/conf', ['forwarding', 'proxy_arp', 'rp_filter', 'arp_ignore', 'arp_announce', 'route_localnet']],
    ['net/ipv4/neigh', ['proxy_delay']],
    ['net/ipv6/neigh', ['proxy_delay']],
    ['net/ipv6/conf', ['forwarding', 'force_forwarding', 'accept_ra', 'disable_ipv6', 'proxy_ndp']],
  ];
  const keys = perLink.flatMap(([directory, names]) =>
    list(`/proc/sys/${directory}`).flatMap((device) => names.map((name) => `${directory}/${device}/${name}`)),
  );
  return ['net/ipv4/ip_forward', ...keys].flatMap((key) =>
    lines(`/proc/sys/${key}`).map((value) => `${key} = ${value}`),
  );
}

/** One line per rule or element, headed by its table and chain, so that a difference reads by itself. */
function nftRules(): string[] {
  const path: string[] = [];
  return command('nft', '-s', 'list', 'ruleset').flatMap((line) => {
    const text = line.trim();
    if (text === '}') {
      path.pop();
      return [];
    }
    const here = [...path, text].join(' ').replaceAll(' {', ' >');
    if (text.endsWith('{')) path.push(text);
    return [here];
  });
}

/** Descriptors of this process that hold kernel objects alive; sockets and plain files come and go with the runner. */
function descriptors(): string[] {
  return list('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return /^(\w+:\[\d+\]$|\/sys\/fs\/cgroup\/|\/run\/netns\/|\/memfd:|anon_inode:\[pidfd\])/.test(target)
        ? [`${target} of the test runner`]
        : [];
    } catch {
      return [];
    }
  });
}

/** Output lines of a command; none where it isn't installed: then no test can have used it either. */
function command(file: string, ...args: string[]): string[] {
  try {
    return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      .split('\n')
      .filter((line) => line.trim() !== '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

function list(path: string): string[] {
  return entries(path).map((entry) => entry.name);
}

function entries(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}
