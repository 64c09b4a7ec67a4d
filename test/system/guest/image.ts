import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { cached } from './cache.ts';
import { debianRoot } from './debian.ts';
import { program } from './program.ts';

/** Directories with a volume of their own. */
export type Volume = 'usr' | 'var';

/** What a guest boots from. */
export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  /** ext4 file systems, the root's first. */
  readonly disks: readonly string[];
}

/** Sparse; what a test may write into it at most. */
const DISK_SIZE = '2G';

/**
 * Debian with this checkout's metactl, installed by the commands of the README's section "Install", in chroot and without
 * any network. `volumes` get disks of their own.
 */
export async function image(volumes: readonly Volume[]): Promise<Image> {
  const debian = await debianRoot();
  // Of its own: other test files may pack at the same time.
  const directory = mkdtempSync(join(tmpdir(), 'metactl-packed-'));
  try {
    return await imageOf(debian, await pack(directory), volumes);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function imageOf(debian: string, packed: string, volumes: readonly Volume[]): Promise<Image> {
  const sources = [import.meta.url, new URL('./agent.mjs', import.meta.url)].map((url) => readFileSync(new URL(url)));
  const key = [debian, ...[...sources, readFileSync(packed)].map(digest)];
  const directory = await cached(`image${volumes.map((name) => `-with-${name}`).join('')}`, key, async (made) => {
    const root = join(made, 'root');
    await program('cp', ['-a', '--reflink=auto', debian, root], { timeout: 120_000 });
    await install(root, packed);
    await addAgent(root);
    await makeDisks(made, root, volumes);
  });
  return {
    kernel: join(directory, 'vmlinuz'),
    initrd: join(directory, 'initrd.img'),
    disks: ['root', ...volumes].map((name) => join(directory, `${name}.ext4`)),
  };
}

/** `npm pack`, which is deterministic, so that the same build gives the same image. @returns the path of the archive. */
async function pack(directory: string): Promise<string> {
  const answer = await program('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', directory], {
    timeout: 60_000,
    cwd: REPOSITORY,
    env: { PATH: process.env.PATH ?? '' },
  });
  return join(directory, JSON.parse(answer)[0].filename);
}

async function install(root: string, packed: string): Promise<void> {
  copyFileSync(packed, join(root, 'root/metactl.tgz'));
  await program(
    'unshare',
    ['--mount', '--net', 'chroot', root, 'npm', 'install', '--global', '--ignore-scripts', '/root/metactl.tgz'],
    { timeout: 120_000 },
  );
  rmSync(join(root, 'root/metactl.tgz'));
}

const AGENT_UNIT = `[Unit]
Description=Runs the scripts of metactl's system tests
After=multi-user.target

[Service]
ExecStart=/usr/local/bin/node /usr/local/lib/metactl-system-agent.mjs
`;

async function addAgent(root: string): Promise<void> {
  copyFileSync(new URL('./agent.mjs', import.meta.url), join(root, 'usr/local/lib/metactl-system-agent.mjs'));
  const units = join(root, 'etc/systemd/system');
  writeFileSync(join(units, 'metactl-system-agent.service'), AGENT_UNIT);
  mkdirSync(join(units, 'multi-user.target.wants'), { recursive: true });
  symlinkSync('../metactl-system-agent.service', join(units, 'multi-user.target.wants/metactl-system-agent.service'));
}

/** No loop devices: `mkfs.ext4 -d` fills a file system from a directory. */
async function makeDisks(made: string, root: string, volumes: readonly Volume[]): Promise<void> {
  for (const [file, name] of [
    ['vmlinuz', 'vmlinuz'],
    ['initrd', 'initrd.img'],
  ] as const) {
    const found = readdirSync(join(root, 'boot')).find((entry) => entry.startsWith(`${file}`));
    if (found === undefined) throw new Error(`Debian's kernel package brought no ${file} to /boot`);
    copyFileSync(join(root, 'boot', found), join(made, name));
  }
  const mounts = ['root', ...volumes].map(
    (name) => `LABEL=${name} ${name === 'root' ? '/' : `/${name}`} ext4 defaults 0 0\n`,
  );
  writeFileSync(join(root, 'etc/fstab'), mounts.join(''));
  for (const volume of volumes) {
    renameSync(join(root, volume), join(made, volume));
    mkdirSync(join(root, volume));
  }
  for (const name of ['root', ...volumes]) {
    const disk = join(made, `${name}.ext4`);
    await program('mkfs.ext4', ['-q', '-L', name, '-d', join(made, name), disk, DISK_SIZE], { timeout: 120_000 });
    rmSync(join(made, name), { recursive: true });
  }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
