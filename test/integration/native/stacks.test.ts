import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

const directory = mkdtempSync(join(tmpdir(), 'metactl-stacks-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('what stacks of threads no longer use goes back to the kernel, and what they use stays as it is', () => {
  const program = join(directory, 'stacks');
  const sources = ['native/stacks.cc', 'test/integration/native/stacks.cc'].map((path) => join(REPOSITORY, path));
  execFileSync('c++', ['-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program, ...sources], {
    stdio: 'pipe',
  });
  const [released, intact] = execFileSync(program, { encoding: 'utf8' }).split('\n');
  // Of 4 MiB each of two threads; the third one lets no signal in.
  expect(Number(released)).toBeGreaterThan(2 * 4096 - 100);
  expect(Number(released)).toBeLessThan(2 * 4096 + 100);
  expect(intact).toBe('111');
});
