import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { cached } from './cache.ts';
import { program } from './program.ts';

const SUITE = 'bookworm';

/** Beyond Debian's `minbase`: a kernel for virtual machines, systemd as PID 1, and what the tests use inside. */
const PACKAGES = [
  'linux-image-cloud-amd64',
  ...['systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod'],
  ...['iproute2', 'nftables', 'procps', 'util-linux', 'curl', 'tcpdump', 'libstdc++6'],
  'stress-ng',
  'strace',
];

/** Not looked at inside; a third of the size. */
const NEEDLESS = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'var/cache/apt', 'var/lib/apt/lists'];

/** A machine under emulation takes long for these, and none of them is looked at. */
const MASKED = ['serial-getty@ttyS0.service', 'getty@tty1.service', 'apt-daily.timer', 'apt-daily-upgrade.timer'];
const MASKED_TOO = ['e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer', 'systemd-pstore.service'];

/**
 * A Debian root with this machine's Node and npm in it (Debian 12's own Node is too old for metactl), not booted yet and
 * without metactl. @returns its directory, to be copied.
 */
export async function debianRoot(): Promise<string> {
  const node = realpathSync(process.execPath);
  const npm = dirname(dirname(realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())));
  const key = [SUITE, ...PACKAGES, process.version, readFileSync(join(npm, 'package.json'), 'utf8'), sourceOfThis()];
  return await cached('debian', key, async (root) => {
    // In a mount namespace of its own: it mounts /proc in the root, and must leave nothing mounted if it is killed.
    await program(
      'unshare',
      ['--mount', 'debootstrap', '--variant=minbase', `--include=${PACKAGES.join()}`, SUITE, root, mirror()],
      { timeout: 480_000, env: proxies() },
    );
    for (const path of NEEDLESS) rmSync(join(root, path), { recursive: true, force: true });
    for (const unit of [...MASKED, ...MASKED_TOO]) symlinkSync('/dev/null', join(root, 'etc/systemd/system', unit));
    installNode(root, node, npm);
    writeFileSync(join(root, 'etc/hostname'), 'guest\n');
    writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost guest\n');
    // Nothing of the machine that it was made on, and no network by itself.
    rmSync(join(root, 'etc/resolv.conf'), { force: true });
    writeFileSync(join(root, 'etc/machine-id'), '');
  });
}

/** As Node's own archives lay it out, so that `npm install --global` puts commands beside it. */
function installNode(root: string, node: string, npm: string): void {
  const local = join(root, 'usr/local');
  cpSync(node, join(local, 'bin/node'));
  chmodSync(join(local, 'bin/node'), 0o755);
  mkdirSync(join(local, 'lib/node_modules'), { recursive: true });
  cpSync(npm, join(local, 'lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
}

function sourceOfThis(): string {
  return readFileSync(join(REPOSITORY, 'test/system/guest/debian.ts'), 'utf8');
}

/** Where this machine's apt gets the suite from. */
function mirror(): string {
  const format = '$(CODENAME) $(COMPONENT) $(REPO_URI)';
  const targets = execFileSync('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], {
    encoding: 'utf8',
  });
  const found = findMirror(targets);
  if (found !== undefined) return found;
  throw new Error(
    `apt has no source for Debian ${SUITE} main: the system tests are made of its packages. It has:\n${targets}`,
  );
}

/** Pure. */
export function findMirror(targets: string): string | undefined {
  const lines = targets.split('\n').map((line) => line.split(' '));
  return lines.find(([codename, component]) => codename === SUITE && component === 'main')?.[2];
}

/** debootstrap downloads with wget, which takes proxies from the environment; apt may have them in its configuration. */
function proxies(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const scheme of ['http', 'https']) {
    const text = execFileSync('apt-config', ['shell', 'PROXY', `Acquire::${scheme}::Proxy`], { encoding: 'utf8' });
    const proxy = /^PROXY='(.*)'$/m.exec(text)?.[1] ?? process.env[`${scheme}_proxy`];
    if (proxy !== undefined && proxy !== '' && proxy !== 'DIRECT') found[`${scheme}_proxy`] = proxy;
  }
  return found;
}
