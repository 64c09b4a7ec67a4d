import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Paths } from '../../util/paths.ts';

/**
 * A supervisor that the service manager starts starts all apps, as at boot. Where somebody has it started for one of them, after
 * it was there before, the others stay as they are: stopped, perhaps by `stop all`. A file says so, which holds for one start.
 */

/** Milliseconds that it holds: the manager needs no longer to start the supervisor. */
const HOLDS = 60_000;

const fileOf = (paths: Paths) => join(paths.run, 'start.only');

/** @returns takes it back. */
export function onlyAsked(paths: Paths): () => void {
  mkdirSync(paths.run, { recursive: true, mode: 0o755 });
  const file = fileOf(paths);
  writeFileSync(file, '', { mode: 0o600 });
  return () => rmSync(file, { force: true });
}

/** Whether it was said, for the supervisor that begins now. */
export function takeOnlyAsked(paths: Paths): boolean {
  const file = fileOf(paths);
  const said = statSync(file, { throwIfNoEntry: false });
  if (said === undefined) return false;
  rmSync(file, { force: true });
  return Math.abs(Date.now() - said.mtimeMs) < HOLDS;
}
