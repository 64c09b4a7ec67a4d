import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The nearest directory above that holds the package: the same from source and from the bench's bundle in `.cache`. */
function repository(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : repository(dirname(directory));
}

/** The checkout's root directory. */
export const REPOSITORY = repository(dirname(fileURLToPath(import.meta.url)));
export const BIN = join(REPOSITORY, 'bin/metactl.cjs');

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; undefined if it died of a signal. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

export interface RunOptions {
  /** `--root` (by METACTL_ROOT). */
  readonly root?: string;
  /** Added to PATH, HOME and LANG, which is all the environment there is. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** SIGKILL after so many ms; 30,000 unless told. */
  readonly timeout?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** A program, with its first arguments, that runs it: `nsenter …`. */
  readonly via?: readonly string[];
}

/** File and arguments of a command line of metactl's. */
function commandLine(args: readonly string[], { via = [] }: RunOptions): [string, string[]] {
  const [file, ...words] = [...via, process.execPath, BIN, ...args];
  return [file!, words];
}

let bundled = false;

/** Tests run the bundled command line, as users do: brings `dist/` up to date, once per test process. */
function bundle(): void {
  if (bundled) return;
  execFileSync(process.execPath, [join(REPOSITORY, 'scripts/bundle.mjs'), '--if-stale'], { stdio: 'pipe' });
  bundled = true;
}

function environment(options: RunOptions): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    LANG: 'C.UTF-8',
    ...(options.root === undefined ? {} : { METACTL_ROOT: options.root }),
    ...options.env,
  };
}

function credentials(options: RunOptions): { uid?: number; gid?: number } {
  return {
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  };
}

/** Runs `metactl ARGS…` to its end. Never rejects for a failing status: that is in the outcome. */
export function runMetactl(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  bundle();
  return new Promise((resolve) => {
    const child = execFile(
      ...commandLine(args, options),
      {
        env: environment(options),
        cwd: options.cwd ?? '/',
        timeout: options.timeout ?? 30_000,
        killSignal: 'SIGKILL',
        maxBuffer: 64 << 20,
        ...credentials(options),
      },
      (error, stdout, stderr) => {
        const code = error?.code;
        resolve({
          stdout,
          stderr,
          status: error === null ? 0 : typeof code === 'number' ? code : undefined,
          signal: error?.signal ?? undefined,
        });
      },
    );
    // It may have ended before it read anything (EPIPE).
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

export interface Running {
  readonly child: ChildProcess;
  /** What came so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves with the outcome once it ended and its pipes are closed. */
  readonly ended: Promise<Outcome>;
  /** Resolves when stdout or stderr matches; rejects when metactl ends before, or after `timeout` ms (20,000). */
  waitFor(pattern: RegExp, timeout?: number): Promise<RegExpMatchArray>;
  /** Sends the signal and waits for the end; SIGKILL after `grace` ms (15,000). */
  stop(signal?: NodeJS.Signals, grace?: number): Promise<Outcome>;
}

/** Starts `metactl ARGS…` and leaves it running (`run`). The caller stops it, also when its test fails. */
export function startMetactl(args: readonly string[], options: RunOptions = {}): Running {
  bundle();
  const child = spawn(...commandLine(args, options), {
    env: environment(options),
    cwd: options.cwd ?? '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...credentials(options),
  });
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const watcher of watchers) watcher();
    });
  }
  const ended = new Promise<Outcome>((resolve) => {
    child.on('close', (code, signal) => resolve({ ...output, status: code ?? undefined, signal: signal ?? undefined }));
  });
  const waitFor = (pattern: RegExp, timeout = 20_000): Promise<RegExpMatchArray> =>
    new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        done();
        reject(new Error(`${why} before ${pattern} was printed\nstdout: ${output.stdout}\nstderr: ${output.stderr}`));
      };
      const timer = setTimeout(() => fail(`${timeout} ms passed`), timeout);
      const check = (): void => {
        const match = output.stdout.match(pattern) ?? output.stderr.match(pattern);
        if (match === null) return;
        done();
        resolve(match);
      };
      const done = (): void => {
        clearTimeout(timer);
        watchers.delete(check);
      };
      watchers.add(check);
      void ended.then((outcome) => watchers.has(check) && fail(`metactl ended (${outcome.status ?? outcome.signal})`));
      check();
    });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM', grace = 15_000): Promise<Outcome> => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), grace);
    const outcome = await ended;
    clearTimeout(timer);
    return outcome;
  };
  return { child, output, ended, waitFor, stop };
}
