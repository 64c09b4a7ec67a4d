import { spawn } from 'node:child_process';
import { closeSync, statSync } from 'node:fs';
import type { HandoverHost } from '../../host/handover.ts';
import { EXIT, MetactlError } from '../../util/error.ts';
import { LineReader } from '../control/protocol.ts';

/** The program that is to take this process's place: Node, its options, and metactl's entry. */
export interface Successor {
  readonly node: string;
  readonly options: readonly string[];
  readonly program: string;
}

/** Descriptor by which a successor gets a draft of what it would take over, to say whether it could. */
export const DRAFT_FD = 3;
/** Milliseconds that it may take: it loads all of metactl. */
const PATIENCE = 30_000;
const LONGEST = 64 * 1024;

/**
 * Has a successor look whether it could take over, as a process of its own, before anything is touched.
 * @param words behind its program: what makes it look. @returns its version.
 * @throws MetactlError METACTL_NOT_INSTALLED where it isn't there, METACTL_HANDOVER with its reason where it can't.
 */
export async function askSuccessor(
  host: HandoverHost,
  { node, options, program }: Successor,
  words: readonly string[],
  draft: Uint8Array,
): Promise<string> {
  for (const path of [node, program]) if (!isFile(path)) throw notInstalled(path);
  const fd = host.seal(draft);
  try {
    const child = spawn(node, [...options, program, ...words], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', fd],
      timeout: PATIENCE,
      killSignal: 'SIGKILL',
    });
    let problem = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      problem = (problem + chunk.toString('utf8')).slice(0, LONGEST);
    });
    const line = new Promise<string>((resolve, reject) => {
      const reader = new LineReader(LONGEST);
      let first = '';
      child.stdout!.on('data', (chunk: Buffer) => {
        first ||= reader.push(chunk)[0] ?? '';
      });
      child.on('error', reject);
      child.on('close', () => resolve(first));
    });
    const answer = parse(await line);
    if (answer?.version === undefined) throw cannot(program, answer?.problem ?? lastLine(problem));
    return answer.version;
  } catch (error) {
    if (error instanceof MetactlError) throw error;
    throw cannot(program, (error as Error).message);
  } finally {
    closeSync(fd);
  }
}

/** What a successor answers. */
export interface SuccessorAnswer {
  readonly version?: string;
  readonly problem?: string;
}

function parse(line: string): SuccessorAnswer | undefined {
  try {
    return JSON.parse(line) as SuccessorAnswer;
  } catch {
    return undefined;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 200) || 'it ended without an answer';
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function notInstalled(path: string): MetactlError {
  return new MetactlError(`${path} is gone: the supervisor goes on as it is, and nothing was replaced`, {
    code: 'METACTL_NOT_INSTALLED',
    step: 'replace the supervisor',
    path,
    hint: 'install metactl again, then run metactl reexec',
  });
}

function cannot(program: string, why: string): MetactlError {
  return new MetactlError(`${program} can't take over: ${why}`, {
    code: 'METACTL_HANDOVER',
    step: 'replace the supervisor',
    path: program,
    hint: 'everything goes on as it was; where the versions are too far apart, metactl stop all, then metactl start all',
    exitStatus: EXIT.error,
  });
}
