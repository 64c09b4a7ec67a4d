import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { holderOfRemoved } from '../../../src/host/linux/flock-holders.ts';
import { leakCheck } from '../../helpers/leak-check.ts';

leakCheck();

/** Whether somebody who holds the lock of a file of this user's is found once the file is gone. */
async function isFound(uid: number, mode: number): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), 'metactl-removed-lock-'));
  const path = join(directory, 'control.lock');
  writeFileSync(path, '');
  chmodSync(path, mode);
  chownSync(path, uid, uid);
  // It tells that it has the lock by copying a line.
  const holder = spawn('flock', [path, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  try {
    holder.stdin.write('held\n');
    await new Promise<void>((resolve) => holder.stdout.once('data', () => resolve()));
    rmSync(path);
    return holderOfRemoved(path) !== undefined;
  } finally {
    holder.stdin.end();
    await ended;
    rmSync(directory, { recursive: true });
  }
}

it("root's lock is found, and no file of that name that is another user's, or that others may open", async () => {
  expect(await isFound(0, 0o600)).toBe(true);
  expect(await isFound(65534, 0o600)).toBe(false);
  expect(await isFound(0, 0o644)).toBe(false);
});
