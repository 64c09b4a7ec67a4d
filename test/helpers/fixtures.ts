import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './run-metactl.ts';

/** Built fixtures live here; git ignores it. */
const CACHE = join(REPOSITORY, '.cache/fixtures');
const SOURCES = join(REPOSITORY, 'test/fixtures/probe');
const PROGRAMS = ['first', 'probe'] as const;

export interface Fixtures {
  /** Prints CLOCK_MONOTONIC in ns at its first instruction; no libc. With an argument it then waits for a signal. */
  readonly first: string;
  /** Tells what it sees and tries what it must not; see `probe.ts` and the sources. */
  readonly probe: string;
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isCurrent(): boolean {
  const newest = Math.max(...readdirSync(SOURCES).map((name) => modified(join(SOURCES, name))));
  return PROGRAMS.every((name) => modified(join(CACHE, name)) > newest);
}

/**
 * Paths of the static C programs, compiled when their sources are newer. They are moved into place, so that test
 * processes that compile at the same time don't hand each other half a file.
 * @throws Error with make's output if they don't compile.
 */
export function fixtures(): Fixtures {
  if (!isCurrent()) {
    mkdirSync(CACHE, { recursive: true });
    const scratch = mkdtempSync(join(CACHE, 'build-'));
    try {
      execFileSync('make', ['--silent', '-C', SOURCES, `OUT=${scratch}`], { stdio: 'pipe' });
      for (const name of PROGRAMS) renameSync(join(scratch, name), join(CACHE, name));
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  return { first: join(CACHE, 'first'), probe: join(CACHE, 'probe') };
}
