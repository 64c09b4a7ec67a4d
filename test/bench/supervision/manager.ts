import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A supervisor of many daemons, all of them `first hold`, which prints the clock at its first instruction. */
export interface Manager {
  readonly name: string;
  readonly count: number;
  /** Starts it, with no daemon running. */
  boot(): Promise<void>;
  /** Resolves when the command, or what stands for it, is done; the daemons may come later. */
  startAll(): Promise<void>;
  stopAll(): Promise<void>;
  /** The same without a command: asks the supervisor itself, where this process can. */
  request?(verb: 'start' | 'stop'): Promise<void>;
  /** Its processes, without the daemons. */
  pids(): number[];
  /** Everything that the daemons have printed. */
  output(): string;
  /** A command that shows the state of all. */
  readonly status?: readonly string[];
  /** Environment of that command. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Ends it with its daemons, and takes away what it has left. */
  end(): Promise<void>;
}

/** Milliseconds that a hundred daemons may take. */
const PATIENCE = 60_000;

export function clocks(output: string): bigint[] {
  return [...output.matchAll(/\b(\d{9,})\r?\n/g)].map(([, clock]) => BigInt(clock!));
}

/** @throws Error where it does not become true in time. */
export async function until<T>(what: string, look: () => T | undefined, pause = 10): Promise<T> {
  for (const end = performance.now() + PATIENCE; ; await sleep(pause)) {
    const found = look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${PATIENCE / 1000} s`);
  }
}

/** @throws Error with what a command printed, where it fails. */
export async function execute(command: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const [file, ...words] = command;
  const child = spawn(file!, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  const [code] = (await Promise.race([
    once(child, 'close'),
    once(child, 'error').then(([error]) => Promise.reject(error)),
  ])) as [number | null];
  if (code !== 0) throw new Error(`${command.slice(0, 4).join(' ')} ended with ${code}: ${text.trim().slice(-300)}`);
  return text;
}

/** Starts what stays; @returns it, or why it can't be started. */
export async function launchBackground(
  command: readonly string[],
  output: number | 'ignore',
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildProcess> {
  const [file, ...words] = command;
  const child = spawn(file!, words, { stdio: ['ignore', output, output], env: { ...process.env, ...environment } });
  await Promise.race([once(child, 'spawn'), once(child, 'error').then(([error]) => Promise.reject(error))]);
  return child;
}

/** SIGTERM, and SIGKILL five seconds later. */
export async function endProcess(child: ChildProcess | undefined, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(timer);
}

export function commOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

export function descendants(pid: number): number[] {
  try {
    const found: number[] = [];
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
      found.push(...text.split(' ').filter(Boolean).map(Number));
    }
    return found.flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}

/** The daemons below these processes. */
export function daemonsOf(pids: readonly number[]): number[] {
  return [...new Set(pids.flatMap(descendants))].filter((pid) => commOf(pid) === 'first');
}

/** kB, from smaps_rollup (proc(5)); 0 for a process that is gone. */
export function memoryOf(pid: number, kind: 'Rss' | 'Pss'): number {
  try {
    return Number(
      new RegExp(`^${kind}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1],
    );
  } catch {
    return 0;
  }
}
