/**
 * The demo's surroundings: a scratch root, a network with another server on it, and a look at what is there that
 * metactl could have made. Everything here is removed again by `remove`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** RFC 2544 sets 198.18.0.0/15 aside for tests of networks: no real network has these addresses. */
export const NETWORK = { host: '198.19.77.1/24', other: '198.19.77.2/24', pool: '198.19.77.128/25' };
export const UPLINK = 'metactl-demo0';
export const OTHER = 'metactl-demo-other';
/** What the names of all scratch roots begin with, and the file in them that says whose one is. */
const ROOTS = '/srv/metactl-demo-';
const OWNER = 'demo.pid';

function ip(...words) {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Two ends of a cable: one is our uplink, the other is in a network namespace that stands for another server. */
function makeNetwork() {
  ip('netns', 'add', OTHER);
  ip('link', 'add', UPLINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', OTHER);
  ip('addr', 'add', NETWORK.host, 'dev', UPLINK);
  ip('link', 'set', UPLINK, 'up');
  ip('-n', OTHER, 'addr', 'add', NETWORK.other, 'dev', 'eth0');
  ip('-n', OTHER, 'link', 'set', 'eth0', 'up');
  ip('-n', OTHER, 'link', 'set', 'lo', 'up');
}

/** Not below /tmp: that is another file system inside a sandbox. */
function makeRoot(repository) {
  const root = mkdtempSync(ROOTS);
  writeFileSync(join(root, OWNER), identityOf(process.pid));
  execFileSync('chmod', ['755', root]);
  const directory = join(root, 'srv/webapp');
  cpSync(join(repository, 'examples/webapp'), directory, { recursive: true });
  mkdirSync(join(root, 'etc/metactl'), { recursive: true });
  mkdirSync(join(root, 'etc/metactl/nodes'), { mode: 0o700 });
  writeFileSync(
    join(root, 'etc/metactl/metactl.conf'),
    `[network]\n# addresses for apps, and the interface they are reached by\npool = ${NETWORK.pool}\nuplink = ${UPLINK}\n`,
  );
  writeFileSync(
    join(root, 'etc/metactl/nodes/webapp.conf'),
    `[app]\ndirectory = ${directory}\n\n[daemon.web]\nmemory-max = 256m\ntasks-max = 100\n`,
    { mode: 0o600 },
  );
  return root;
}

/** What names a process for good: its pid, and when it was started (proc_pid_stat(5), field 22). '' where there is none. */
function identityOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}\n`;
  } catch {
    return '';
  }
}

/** A demo's root with no demo: of one that was killed. @throws Error where its demo still runs. */
function isLeft(root) {
  const found = lstatSync(root);
  if (!found.isDirectory() || found.uid !== 0) return false;
  const owner = existsSync(join(root, OWNER)) ? readFileSync(join(root, OWNER), 'utf8') : '';
  if (owner === '') return readdirSync(root).every((name) => name === OWNER);
  if (owner !== identityOf(owner.split(' ')[0])) return true;
  throw new Error(`another demo is running, pid ${owner.split(' ')[0]}: wait until it has ended`);
}

/** Removes what demos that were killed have left. Each has a root from before its network was made until all else is gone. */
function removeLeftovers(repository) {
  const left = readdirSync(dirname(ROOTS))
    .map((name) => join(dirname(ROOTS), name))
    .filter((path) => path.startsWith(ROOTS) && isLeft(path));
  for (const root of left) {
    console.log(`removing what a demo that was killed has left: ${root}`);
    // Its `metactl run` may be alive: it outlives who started it.
    for (const words of [['stop', 'webapp'], ['gc']]) {
      const file = join(repository, 'bin/metactl.cjs');
      spawnSync(process.execPath, [file, '--root', root, ...words], { stdio: 'ignore', timeout: 60_000 });
    }
    removeNetwork();
    rmSync(root, { recursive: true, force: true });
  }
  for (const path of [`/run/netns/${OTHER}`, `/sys/class/net/${UPLINK}`]) {
    if (existsSync(path)) throw new Error(`${path} is there already, and of no demo: look at it, then remove it`);
  }
}

function removeNetwork() {
  spawnSync('ip', ['link', 'del', UPLINK], { stdio: 'ignore' });
  spawnSync('ip', ['netns', 'del', OTHER], { stdio: 'ignore' });
}

/** @throws Error another demo runs, or something else has the names of this one's network. */
export function makeLab(repository) {
  removeLeftovers(repository);
  let root;
  const remove = () => {
    removeNetwork();
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  };
  try {
    root = makeRoot(repository);
    makeNetwork();
  } catch (error) {
    remove();
    throw error;
  }
  return { root, remove };
}

function lines(command, ...words) {
  return spawnSync(command, words, { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
}

function cgroups(directory = '/sys/fs/cgroup', depth = 4) {
  if (depth === 0 || !existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => {
      const path = join(directory, name);
      return name.startsWith('metactl') ? [path] : cgroups(path, depth - 1);
    });
}

/** What there is of the kinds of things that metactl makes, by kind. Names that change by themselves are left out. */
export function inventory() {
  return {
    'network namespaces': lines('ip', 'netns', 'list').map((line) => line.split(' ')[0]),
    links: lines('ip', '-br', 'link').map((line) => line.split(/[ @]/)[0]),
    routes: lines('ip', 'route'),
    'proxy neighbours': lines('ip', 'neigh', 'show', 'proxy'),
    'nft tables': lines('nft', 'list', 'tables'),
    cgroups: cgroups(),
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').filter(Boolean),
    processes: lines('ps', '-eo', 'pid=,args=').filter((line) => /metactl-init|webapp\/server/.test(line)),
  };
}
