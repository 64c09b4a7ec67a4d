import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Launcher, spawnLauncher } from './launcher.ts';

/** A rival that could not run here, and what it said. */
export interface Missing {
  readonly name: string;
  readonly reason: string;
}

const UID = '70000';

/**
 * bwrap with what metactl's default sandbox has and bwrap can do: all namespaces, read-only root, private /proc and
 * /dev, five tmpfs, the app's directory, an unprivileged user, no capabilities, a host name, an end with its parent. It makes no veth pair, no
 * cgroup and gets no seccomp filter.
 */
export function equalBwrap(directory: string, program: readonly string[]): readonly string[] {
  const words = ['bwrap', '--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev'];
  for (const path of ['/tmp', '/run', '/var/tmp', '/home', '/root']) words.push('--tmpfs', path);
  words.push('--ro-bind', directory, directory);
  return [
    ...words,
    '--uid',
    UID,
    '--gid',
    UID,
    '--cap-drop',
    'ALL',
    '--hostname',
    'bench',
    '--die-with-parent',
    '--',
    ...program,
  ];
}

function plainBwrap(program: string): readonly string[] {
  return ['bwrap', '--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--', program];
}

/** An OCI bundle around `first`: the namespaces, mounts and user that `runc spec` would write, without a terminal. */
function writeOciBundle(directory: string, program: string): string {
  const bundle = join(directory, 'bundle');
  for (const name of ['proc', 'dev', 'sys', 'tmp']) mkdirSync(join(bundle, 'rootfs', name), { recursive: true });
  copyFileSync(program, join(bundle, 'rootfs/first'));
  const restricted = ['nosuid', 'noexec', 'nodev'];
  const config = {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: Number(UID), gid: Number(UID) },
      args: ['/first'],
      env: ['PATH=/'],
      cwd: '/',
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'bench',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: restricted },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...restricted, 'ro'] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev'] },
    ],
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  };
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  return bundle;
}

/** Container names must not repeat while the last one is being taken down. */
function containerName(): string {
  return `metactl-bench-${randomBytes(6).toString('hex')}`;
}

/** The rivals that run on this machine, the first of them the one that ratios are taken of; and those that don't. */
export async function findRivals(
  directory: string,
  program: string,
): Promise<{ readonly running: readonly Launcher[]; readonly missing: readonly Missing[] }> {
  const bundle = writeOciBundle(directory, program);
  const all = [
    spawnLauncher('bwrap, equal features', () => equalBwrap(directory, [program])),
    spawnLauncher('bwrap, plain', () => plainBwrap(program)),
    spawnLauncher('unshare -mpiun --fork', () => ['unshare', '-mpiun', '--fork', program]),
    spawnLauncher('crun run', () => ['crun', 'run', '--bundle', bundle, containerName()]),
    spawnLauncher('crun run, no cgroups', () => {
      return ['crun', '--cgroup-manager=disabled', 'run', '--bundle', bundle, containerName()];
    }),
    spawnLauncher('runc run', () => ['runc', 'run', '--bundle', bundle, containerName()]),
    spawnLauncher('no sandbox at all', () => [program]),
  ];
  const running: Launcher[] = [];
  const missing: Missing[] = [];
  for (const launcher of all) {
    try {
      await launcher.launch();
      running.push(launcher);
    } catch (error) {
      missing.push({ name: launcher.name, reason: (error as Error).message.replaceAll(/\s+/g, ' ').slice(0, 160) });
    }
  }
  return { running, missing };
}
