import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { endProcess, execute, launchBackground, type Manager, until } from './manager.ts';

/** Where scripts/setup.sh puts the rival that Debian does not have. */
export const PM2 = join(REPOSITORY, '.cache/rivals/node_modules/pm2/bin/pm2');

export interface RivalSite {
  /** An empty directory of its own for each. */
  readonly directory: string;
  readonly program: string;
  readonly count: number;
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `d${i}`);

/** runsvdir with one runsv each. */
export function runit({ directory, program, count }: RivalSite): Manager {
  const services = serviceDirectories(directory, program, count);
  const scan = new Scan(['runsvdir', '-P', join(directory, 'services')], directory);
  return {
    name: 'runit',
    count,
    async boot() {
      await scan.start();
      await until('runit', () => (services.every((path) => has(path, 'supervise', 'ok')) ? true : undefined));
    },
    startAll: async () => void (await execute(['sv', 'up', ...services])),
    stopAll: async () => void (await execute(['sv', 'down', ...services])),
    status: ['sv', 'status', ...services],
    pids: () => scan.pids('runsv'),
    output: () => scan.output(),
    async end() {
      // runsvdir tells its runsv to end their daemons and themselves.
      await scan.end('SIGHUP');
    },
  };
}

/** s6-svscan with one s6-supervise each. A byte to each is what its command sends. */
export function s6({ directory, program, count }: RivalSite): Manager {
  const services = serviceDirectories(directory, program, count);
  const scan = new Scan(['s6-svscan', join(directory, 'services')], directory);
  const tell = (byte: string) => {
    for (const path of services) writeFileSync(join(path, 'supervise/control'), byte);
  };
  return {
    name: 's6',
    count,
    async boot() {
      await scan.start();
      await until('s6', () => (services.every((path) => has(path, 'supervise', 'status')) ? true : undefined));
    },
    startAll: async () => tell('u'),
    stopAll: async () => tell('d'),
    pids: () => scan.pids('s6-supervise'),
    output: () => scan.output(),
    async end() {
      await scan.end('SIGTERM');
    },
  };
}

export function supervisord({ directory, program, count }: RivalSite): Manager {
  const socket = join(directory, 'socket');
  const config = join(directory, 'supervisord.conf');
  const log = join(directory, 'output');
  const programs = names(count).map(
    (name) =>
      `[program:${name}]\ncommand=${program} hold\nautostart=false\nautorestart=true\nredirect_stderr=true\n` +
      `stdout_logfile=${log}\nstdout_logfile_maxbytes=0\n`,
  );
  writeFileSync(
    config,
    `[unix_http_server]\nfile=${socket}\n[supervisord]\nnodaemon=true\nlogfile=${join(directory, 'log')}\n` +
      `pidfile=${join(directory, 'pid')}\nuser=root\n[rpcinterface:supervisor]\n` +
      'supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n' +
      `[supervisorctl]\nserverurl=unix://${socket}\n${programs.join('')}`,
  );
  let child: ChildProcess | undefined;
  const command = (...words: string[]) => ['supervisorctl', '-c', config, ...words];
  return {
    name: 'supervisord',
    count,
    async boot() {
      child = await launchBackground(['supervisord', '-n', '-c', config], 'ignore');
      await until('supervisord', () => (has(directory, 'socket') ? true : undefined));
    },
    startAll: async () => void (await execute(command('start', 'all'))),
    stopAll: async () => void (await execute(command('stop', 'all'))),
    status: command('status'),
    pids: () => [child!.pid!],
    output: () => textOf(log),
    end: () => endProcess(child),
  };
}

export function pm2({ directory, program, count }: RivalSite): Manager {
  const log = join(directory, 'output');
  const config = join(directory, 'ecosystem.config.json');
  const app = (name: string) => ({
    ...{ name, script: program, args: 'hold', interpreter: 'none', exec_mode: 'fork', out_file: log, error_file: log },
    ...{ merge_logs: true, vizion: false, pmx: false },
  });
  writeFileSync(config, JSON.stringify({ apps: names(count).map(app) }));
  const environment = { PM2_HOME: join(directory, 'home'), PM2_DISABLE_VERSION_CHECK: 'true' };
  const command = (...words: string[]) => [process.execPath, PM2, ...words];
  let started = false;
  return {
    name: 'pm2',
    count,
    boot: async () => void (await execute(command('ping'), environment)),
    async startAll() {
      await execute(command('start', started ? 'all' : config), environment);
      started = true;
    },
    stopAll: async () => void (await execute(command('stop', 'all'), environment)),
    status: command('jlist'),
    environment,
    pids: () => [Number(readFileSync(join(environment.PM2_HOME, 'pm2.pid'), 'utf8'))],
    output: () => textOf(log),
    end: async () => void (await execute(command('kill'), environment)),
  };
}

/** A directory of services, all of them down. */
function serviceDirectories(directory: string, program: string, count: number): string[] {
  return names(count).map((name) => {
    const path = join(directory, 'services', name);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'run'), `#!/bin/sh\nexec ${program} hold\n`, { mode: 0o755 });
    writeFileSync(join(path, 'down'), '');
    return path;
  });
}

/** What runit and s6 have in common: one that looks after a directory, and one process for each service in it. */
class Scan {
  readonly #command: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;

  constructor(command: readonly string[], directory: string) {
    this.#command = command;
    this.#log = join(directory, 'output');
  }

  async start(): Promise<void> {
    const fd = openSync(this.#log, 'a');
    try {
      this.#child = await launchBackground(this.#command, fd);
    } finally {
      closeSync(fd);
    }
  }

  pids(comm: string): number[] {
    const pid = this.#child!.pid!;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
    return [pid, ...children.map(Number).filter((one) => textOf(`/proc/${one}/comm`).trim() === comm)];
  }

  output(): string {
    return textOf(this.#log);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const supervisors = this.#child === undefined ? [] : childrenOf(this.#child.pid!);
    await endProcess(this.#child, signal);
    await until('its supervisors', () => (supervisors.some(isThere) ? undefined : true));
  }
}

function childrenOf(pid: number): number[] {
  return textOf(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
}

function isThere(pid: number): boolean {
  return textOf(`/proc/${pid}/stat`) !== '' && !/\) Z /.test(textOf(`/proc/${pid}/stat`));
}

function has(...path: readonly string[]): boolean {
  try {
    return readdirSync(join(...path.slice(0, -1))).includes(path.at(-1)!);
  } catch {
    return false;
  }
}

export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export function emptyDirectory(path: string): string {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}
