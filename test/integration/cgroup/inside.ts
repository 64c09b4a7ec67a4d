import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import type { DaemonCgroup } from '../../../src/host/linux/cgroup/index.ts';

/** A program running in a cgroup. */
export interface Inside {
  readonly child: ChildProcess;
  /** Lines it printed so far. */
  readonly lines: string[];
  /** Resolves with its first line. */
  readonly first: Promise<string>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

let program: string | undefined;

/** Compiles `inside.c` for the tests of a file. */
export function useInside(): void {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'metactl-inside-'));
    program = join(directory, 'inside');
    const source = join(dirname(fileURLToPath(import.meta.url)), 'inside.c');
    execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source], { stdio: 'pipe' });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
}

/** Starts `inside ACTION …` in a cgroup; its descriptors are handed over as the addon's are. */
export function inside(cgroup: Pick<DaemonCgroup, 'tasks' | 'directory'>, ...action: readonly string[]): Inside {
  const { tasks, directory } = cgroup;
  const child = spawn(program!, [String(tasks.length), directory === undefined ? '0' : '1', ...action], {
    stdio: ['ignore', 'pipe', 'inherit', ...tasks, ...(directory === undefined ? [] : [directory])],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout! });
  const first = new Promise<string>((resolve) => reader.once('line', resolve));
  reader.on('line', (line) => lines.push(line));
  return {
    child,
    lines,
    first,
    ended: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))),
  };
}
