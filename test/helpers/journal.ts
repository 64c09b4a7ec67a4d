import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Outcome, type Running, type RunOptions, runMetactl, startMetactl } from './run-metactl.ts';

/** A real systemd-journald with a /run and a /dev of its own, which only what is run here sees. */
export interface Journal {
  /** Runs `metactl` beside it. */
  run(args: readonly string[], options: RunOptions): Promise<Outcome>;
  start(args: readonly string[], options: RunOptions): Running;
  /** Runs any program beside it. @returns its standard output. */
  program(file: string, ...args: readonly string[]): Promise<string>;
  /** SIGSTOP and SIGCONT: a log daemon that is busy. */
  pause(): void;
  resume(): void;
  /** Ends journald alone: a log daemon that is away. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** What the machine has in /dev stays where it is; /dev/log is journald's. */
const SURROUNDINGS = String.raw`
set -e
mkdir -p /run
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/dev /run/systemd/journald.conf.d /run/log/journal /run/lock
printf '[Journal]\n%s\n' "$1" >/run/systemd/journald.conf.d/test.conf
mount --rbind /dev /run/dev
mount -t tmpfs -o mode=755 dev /dev
for name in null zero full random urandom tty ptmx; do touch /dev/$name; mount --bind /run/dev/$name /dev/$name; done
mkdir /dev/pts /dev/shm
mount --bind /run/dev/pts /dev/pts
ln -s /proc/self/fd /dev/fd
ln -s /run/systemd/journal/dev-log /dev/log
echo ready
exec sleep infinity
`;

const JOURNALD = ['/usr/lib/systemd/systemd-journald', '/lib/systemd/systemd-journald'].find((path) =>
  existsSync(path),
);

/** @param conf what its `[Journal]` says (journald.conf(5)). */
export async function startJournal(conf = ''): Promise<Journal> {
  // Builds the command line, if it must be.
  await runMetactl(['--version']);
  if (JOURNALD === undefined) throw new Error('systemd-journald is not installed');
  const keeper = spawn('unshare', ['--mount', '--propagation', 'private', 'bash', '-c', SURROUNDINGS, 'bash', conf], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    keeper.stdout.once('data', () => resolve());
    keeper.once('close', (code) => reject(new Error(`no surroundings for journald: ${code}`)));
  });
  const enter = ['--target', String(keeper.pid), '--mount'];
  let journald: ChildProcess;
  const begin = async () => {
    journald = spawn('nsenter', [...enter, JOURNALD], { stdio: 'ignore' });
    await waitUntil(() => existsSync(`/proc/${keeper.pid}/root/run/systemd/journal/dev-log`));
  };
  const end = (child: ChildProcess, signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('close', () => resolve());
      child.kill(signal);
    });
  const program = (file: string, ...args: readonly string[]) =>
    new Promise<string>((resolve, reject) => {
      execFile('nsenter', [...enter, file, ...args], { maxBuffer: 64 << 20, timeout: 30_000 }, (error, stdout) =>
        error === null ? resolve(stdout) : reject(error),
      );
    });
  await begin();
  const wrapped = (options: RunOptions) => ({ ...options, via: ['nsenter', ...enter, ...(options.via ?? [])] });
  return {
    run: (args, options) => runMetactl(args, wrapped(options)),
    start: (args, options) => startMetactl(args, wrapped(options)),
    program,
    pause: () => void journald.kill('SIGSTOP'),
    resume: () => void journald.kill('SIGCONT'),
    kill: async () => {
      await end(journald, 'SIGKILL');
      await program('rm', '-r', '/run/systemd/journal');
    },
    restart: begin,
    close: async () => {
      journald.kill('SIGCONT');
      await end(journald, 'SIGTERM');
      await end(keeper, 'SIGKILL');
    },
  };
}

async function waitUntil(condition: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error('journald does not listen');
    await sleep(20);
  }
}
