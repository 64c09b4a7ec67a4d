import { execFile } from 'node:child_process';

export interface ProgramOptions {
  /** SIGKILL after so many ms. */
  readonly timeout: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What chroots and boot files need, and nothing of what this process was started with. */
const ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C',
};

/** Runs a program to its end. @returns what it printed. Rejects with the end of its output where it fails. */
export function program(name: string, args: readonly string[], options: ProgramOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      name,
      args,
      {
        env: { ...ENVIRONMENT, ...options.env },
        cwd: options.cwd ?? '/',
        timeout: options.timeout,
        killSignal: 'SIGKILL',
        maxBuffer: 64 << 20,
      },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${name} ${args.join(' ')}: ${why(error)}\n${`${stdout}\n${stderr}`.slice(-4000)}`));
      },
    );
  });
}

function why(error: { code?: unknown; signal?: unknown; killed?: unknown }): string {
  if (error.killed === true) return 'took too long';
  return `ended with ${error.signal ?? error.code}`;
}
