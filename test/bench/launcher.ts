import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { microseconds, now, type Summary, summarize } from './statistics.ts';

/** One launch: from the call to the program's first instruction, and to the caller's knowing that all of it is over. */
export interface Sample {
  readonly first: number;
  readonly exit: number;
}

/** A way to start `first`. Nothing of a launch is left when its promise resolves. */
export interface Launcher {
  readonly name: string;
  launch(): Promise<Sample>;
}

export interface Result {
  readonly name: string;
  readonly mode: Mode;
  readonly first: Summary;
  readonly exit: Summary;
}

/** hot: back to back. idle: after a pause of 10–25 ms, as a supervisor's starts come: caches cold, RCU quiet. */
export type Mode = 'hot' | 'idle';

/**
 * Starts a command as a rival does: by child_process from this Node, the clock read from its stdout. `clock: false` is for
 * commands that don't run `first`: only their end counts, in both columns.
 */
export function spawnLauncher(
  name: string,
  command: () => readonly string[],
  clock = true,
  environment: Readonly<Record<string, string>> = {},
): Launcher {
  return {
    name,
    launch: () =>
      new Promise((resolve, reject) => {
        const [file, ...args] = command();
        const called = now();
        const env = { ...process.env, ...environment };
        const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
        let output = '';
        let errors = '';
        let exited = 0n;
        child.stdout.on('data', (data: Buffer) => {
          output += data.toString();
        });
        child.stderr.on('data', (data: Buffer) => {
          errors += data.toString();
        });
        child.on('error', reject);
        child.on('exit', () => {
          exited = now();
        });
        child.on('close', (code, signal) => {
          const first = clock ? /^\d{9,}$/m.exec(output)?.[0] : exited;
          if (code === 0 && first !== undefined) {
            resolve({ first: microseconds(called, BigInt(first)), exit: microseconds(called, exited) });
          } else {
            reject(new Error(`${name} ended with ${code ?? signal}: ${errors.trim() || '(no message)'}`));
          }
        });
      }),
  };
}

/**
 * All of them once in each round, in an order drawn anew: in a fixed one each launcher would always follow the same neighbour,
 * and pay for what the kernel still cleans up of that one's namespaces and cgroups.
 */
export async function interleave(launchers: readonly Launcher[], rounds: number, mode: Mode): Promise<Result[]> {
  const samples = await sample(launchers, rounds, mode);
  return launchers.map(({ name }, index) => resultOf(name, mode, samples[index]!));
}

/** `interleave`, without a summary: samples by launcher. */
export async function sample(launchers: readonly Launcher[], rounds: number, mode: Mode): Promise<Sample[][]> {
  const samples = launchers.map((): Sample[] => []);
  // Unmeasured: page cache, lazy bindings.
  for (const launcher of launchers) for (let i = 0; i < 3; i++) await launcher.launch();
  for (let round = 0; round < rounds; round++) {
    for (const index of shuffled(launchers.length)) {
      if (mode === 'idle') await sleep(10 + Math.random() * 15);
      samples[index]!.push(await launchers[index]!.launch());
    }
  }
  return samples;
}

/** 0 … count − 1 in a random order (Fisher and Yates). */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

export function resultOf(name: string, mode: Mode, samples: readonly Sample[]): Result {
  return {
    name,
    mode,
    first: summarize(samples.map(({ first }) => first)),
    exit: summarize(samples.map(({ exit }) => exit)),
  };
}
