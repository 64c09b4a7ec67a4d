import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { host as hostOfThisMachine } from '../../src/host/index.ts';
import { Compressor } from '../../src/supervisor/logs/compress.ts';
import { LossLedger } from '../../src/supervisor/logs/loss-ledger.ts';
import { openLog } from '../../src/supervisor/logs/open-log.ts';
import { logSettings } from '../../src/supervisor/logs/settings.ts';
import { prepare } from '../../src/supervisor/prepare.ts';
import { pathsFor } from '../../src/util/paths.ts';
import { fixtures } from '../helpers/fixtures.ts';
import { type BenchSite, openDaemon } from './site.ts';
import { percentile, type Summary, summarize } from './statistics.ts';

/** Who keeps a log, and what it costs. */
export interface LogKeeper {
  readonly name: string;
  /** How long the writer was in its `write` calls, ms. */
  readonly blocked: Summary;
  /** What the keeper's memory grew by, at its peak, kB; undefined where it is its own program all the time. */
  readonly grown: number | undefined;
}

export interface LogFigures {
  readonly lines: number;
  readonly keepers: readonly LogKeeper[];
}

export const LOG_METACTL = 'metactl, sandboxed, to its file';
export const LOG_NODE = 'Node, pipe to a file';
const LINES = 1_000_000;
const WORKER = '--log-worker';

interface Result {
  readonly blocked: number;
  readonly grown: number | undefined;
}

/** A million lines of 100 bytes from a program that writes as fast as it can, in turns. No line may be lost. */
export async function measureLogs(site: BenchSite, rounds: number): Promise<LogFigures> {
  const directory = join(site.root, 'apps/flood');
  for (const path of [directory, join(site.root, 'etc/metactl/nodes')]) mkdirSync(path, { recursive: true });
  copyFileSync(fixtures().probe, join(directory, 'probe'));
  chmodSync(join(directory, 'probe'), 0o755);
  const keys = `command = ./probe flood ${LINES}\nrestart = no\nlog.to = file`;
  writeFileSync(
    join(site.root, 'etc/metactl/nodes/flood.conf'),
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.warm]\ncommand = ./probe flood 1\n[daemon.main]\n${keys}\n`,
    { mode: 0o600 },
  );
  const logs = join(site.root, 'logs');
  const keepers: readonly (readonly [string, () => Promise<Result>])[] = [
    [LOG_METACTL, () => inWorker(site.root, 'metactl')],
    [LOG_NODE, () => inWorker(site.root, 'node')],
    ['s6-log', () => withLogger(logs, ['s6-log', 'n20', 's50000000', 'T', logs])],
    ['svlogd', () => withLogger(logs, ['svlogd', '-tt', logs])],
  ];
  const results = new Map<string, Result[]>(keepers.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of keepers) {
      rmSync(logs, { recursive: true, force: true });
      mkdirSync(logs);
      // As svlogd reads it: no rotation by its default of 1 MB, which would cost it more than the lines do.
      writeFileSync(join(logs, 'config'), 's50000000\nn20\n');
      results.get(name)!.push(await measure());
      // What a round left to be written to disk must not slow the next one.
      execFileSync('sync');
    }
  }
  return {
    lines: LINES,
    keepers: [...results].map(([name, all]) => {
      const grown = all.flatMap((result) => result.grown ?? []);
      return {
        name,
        blocked: summarize(all.map(({ blocked }) => blocked)),
        grown: grown.length === 0 ? undefined : percentile(grown, 0.5),
      };
    }),
  };
}

/** In a process of its own, so that its memory is what the log costs. */
async function inWorker(root: string, kind: string): Promise<Result> {
  const child = fork(process.argv[1]!, [WORKER, root, kind], { stdio: 'inherit' });
  const [message] = (await Promise.race([once(child, 'message'), failure(child)])) as [Result];
  await once(child, 'exit');
  return message;
}

async function failure(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  await new Promise((resolve) => setTimeout(resolve, 100));
  throw new Error(`a process that kept a log ended with ${code}`);
}

/** Called first by the bench: true where this process is such a worker. */
export async function isLogWorker(argv: readonly string[]): Promise<boolean> {
  const at = argv.indexOf(WORKER);
  if (at < 0) return false;
  const [root, kind] = argv.slice(at + 1);
  const result = kind === 'metactl' ? await keepByMetactl(root!) : await keepByNode(root!);
  process.send!(result);
  process.disconnect();
  return true;
}

async function keepByMetactl(root: string): Promise<Result> {
  const prepared = await prepare(pathsFor(root), 'flood', { daemon: undefined, sandbox: true, start: true });
  const { logs } = await hostOfThisMachine();
  const compressor = new Compressor();
  const flood = async (daemon: string): Promise<string> => {
    const plan = prepared.plans.find((one) => one.daemon === daemon)!;
    const handle = await openDaemon(prepared, plan);
    let told = '';
    const taps = {
      err: {
        push: (bytes: Buffer) => {
          told += bytes.toString();
          return undefined;
        },
        end: () => undefined,
      },
    };
    const log = (await openLog({
      ...{ host: logs, paths: prepared.paths, app: 'flood', daemon, compressor, taps },
      settings: { ...logSettings(prepared.config, daemon, 'file') },
      ledger: new LossLedger(),
      onProblem: (text) => {
        throw new Error(text);
      },
    }))!;
    try {
      const { io, attach } = log.startOutput();
      const sandbox = await handle.start(plan, io);
      attach(sandbox);
      await sandbox.ended;
      await log.close(60_000);
    } finally {
      await handle.close();
    }
    return told;
  };
  await flood('warm');
  const idle = restartPeak();
  const blocked = Number(await flood('main')) / 1e6;
  const grown = memory('VmHWM') - idle;
  compressor.stop();
  const directory = join(prepared.paths.log, 'flood');
  requireLines(directory, (name) => name.startsWith('main.'), / out: /);
  rmSync(directory, { recursive: true });
  return { blocked, grown };
}

async function keepByNode(root: string): Promise<Result> {
  const file = join(root, 'logs', 'plain.log');
  const flood = async (lines: number): Promise<number> => {
    const child = spawn(join(root, 'apps/flood/probe'), ['flood', String(lines)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const told = once(child.stderr, 'data') as Promise<[Buffer]>;
    await pipeline(child.stdout, createWriteStream(file));
    return Number((await told)[0].toString()) / 1e6;
  };
  await flood(1);
  const idle = restartPeak();
  const blocked = await flood(LINES);
  const grown = memory('VmHWM') - idle;
  requireLines(join(root, 'logs'), (name) => name === 'plain.log');
  return { blocked, grown };
}

async function withLogger(directory: string, [file, ...args]: readonly string[]): Promise<Result> {
  const logger = spawn(file!, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  await once(logger, 'spawn');
  // The pipe itself is handed over: Node must not stand between the two.
  const { fd } = (logger.stdin as unknown as { _handle: { fd: number } })._handle;
  const child = spawn(fixtures().probe, ['flood', String(LINES)], { stdio: ['ignore', fd, 'pipe'] });
  const told = once(child.stderr!, 'data') as Promise<[Buffer]>;
  await once(child, 'exit');
  const blocked = Number((await told)[0].toString()) / 1e6;
  logger.stdin!.end();
  await once(logger, 'exit');
  requireLines(directory, (name) => name === 'current' || name.startsWith('@'));
  return { blocked, grown: undefined };
}

/** @throws Error where it isn't a million. */
function requireLines(directory: string, wanted: (name: string) => boolean, pattern?: RegExp): void {
  let count = 0;
  for (const name of readdirSync(directory).filter(wanted)) {
    const bytes = readFileSync(join(directory, name));
    if (pattern === undefined) for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
    else for (let at = bytes.indexOf(' out: '); at >= 0; at = bytes.indexOf(' out: ', at + 1)) count++;
  }
  if (count !== LINES) throw new Error(`${LINES - count} of ${LINES} lines are not in ${directory}`);
}

/** kB, from proc(5). */
function memory(field: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

/** Makes the peak begin anew (proc(5), clear_refs). @returns kB now. */
function restartPeak(): number {
  writeFileSync('/proc/self/clear_refs', '5');
  return memory('VmRSS');
}
