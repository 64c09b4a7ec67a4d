/**
 * The demo's surroundings: a scratch root, a network with another server on it, and a look at what is there that
 * metactl could have made. Everything here is removed again by `remove`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** RFC 2544 sets 198.18.0.0/15 aside for tests of networks: no real network has these addresses. */
export const NETWORK = { host: '198.19.77.1/24', other: '198.19.77.2/24', pool: '198.19.77.128/25' };
export const UPLINK = 'metactl-demo0';
export const OTHER = 'metactl-demo-other';

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
  const root = mkdtempSync('/srv/metactl-demo-');
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

export function makeLab(repository) {
  let root;
  const remove = () => {
    spawnSync('ip', ['link', 'del', UPLINK], { stdio: 'ignore' });
    spawnSync('ip', ['netns', 'del', OTHER], { stdio: 'ignore' });
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
  };
  try {
    makeNetwork();
    root = makeRoot(repository);
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
