import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY } from '../helpers/run-metactl.ts';

/** Programs that send and receive in network namespaces. */

const SOURCE = join(REPOSITORY, 'test/fixtures/pingpong/pingpong.c');
const PROGRAM = join(REPOSITORY, '.cache/fixtures/pingpong');
/** Round trips of which one measurement is the median. */
const ROUND_TRIPS = 3_000;
/** Seconds of one throughput measurement. */
const SECONDS = '1';

const run = promisify(execFile);

/** The ping-pong program, compiled when its source is newer. */
export function pingPong(): string {
  const modified = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (modified(PROGRAM) < modified(SOURCE)) {
    mkdirSync(join(PROGRAM, '..'), { recursive: true });
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', PROGRAM, SOURCE], { stdio: 'pipe' });
  }
  return PROGRAM;
}

/** The words that run a command in a named network namespace; undefined: the host's. */
export function inNetwork(netns: string | undefined, command: readonly string[]): readonly string[] {
  return netns === undefined ? command : ['ip', 'netns', 'exec', netns, ...command];
}

/** A program that serves until it is closed. */
export class Server {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it has printed something that matches. @throws Error if it ends before. */
  static async start(netns: string | undefined, command: readonly string[], ready: RegExp): Promise<Server> {
    const [file, ...words] = inNetwork(netns, command);
    const child = spawn(file!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      let output = '';
      child.stdout!.on('data', (data: Buffer) => {
        output += data.toString();
        if (ready.test(output)) resolve();
      });
      child.once('error', reject);
      child.once('close', () => reject(new Error(`${command.join(' ')} ended: ${output}`)));
    });
    return new Server(child);
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/**
 * Both ends on one CPU. Left to itself the scheduler puts them on one or on two, and waking the other CPU takes three times
 * as long as the way between them.
 */
const ON_ONE_CPU = ['taskset', '--cpu-list', '0'] as const;

export function servePingPong(netns: string, port: number): Promise<Server> {
  return Server.start(netns, [...ON_ONE_CPU, pingPong(), 'serve', String(port)], /ready/);
}

export function serveIperf(netns: string, port: number): Promise<Server> {
  return Server.start(netns, ['iperf3', '--server', '--port', String(port), '--forceflush'], /listening/);
}

/** Median round trip, µs. */
export async function roundTrip(netns: string | undefined, address: string, port: number): Promise<number> {
  const [file, ...words] = inNetwork(netns, [
    ...ON_ONE_CPU,
    pingPong(),
    'ask',
    address,
    String(port),
    String(ROUND_TRIPS),
  ]);
  return Number((await run(file!, words)).stdout) / 1000;
}

/** Bits per second that arrive. */
export async function throughput(netns: string | undefined, address: string, port: number): Promise<number> {
  const command = ['iperf3', '--client', address, '--port', String(port), '--time', SECONDS, '--json'];
  const [file, ...words] = inNetwork(netns, command);
  const report = JSON.parse((await run(file!, words, { maxBuffer: 16 << 20 })).stdout);
  return report.end.sum_received.bits_per_second;
}
