import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { unifiedDiff } from '../../../src/util/diff.ts';

const directory = mkdtempSync(join(tmpdir(), 'metactl-diff-'));
afterAll(() => rmSync(directory, { recursive: true }));

it('shows what changed, with the lines around it', () => {
  const before = '1\n2\n3\n4\n5\n6\n7\n8\n9\n';
  expect(unifiedDiff('/x', before, before.replace('2', 'two').replace('9\n', ''))).toBe(
    '--- /x\n+++ /x\n@@ -1,9 +1,8 @@\n 1\n-2\n+two\n 3\n 4\n 5\n 6\n 7\n 8\n-9\n',
  );
  expect(unifiedDiff('/x', undefined, 'a\n')).toBe('--- /dev/null\n+++ /x\n@@ -0,0 +1 @@\n+a\n');
  expect(unifiedDiff('/x', 'a\n', undefined)).toBe('--- /x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n');
  expect(unifiedDiff('/x', 'a\n', 'a\n')).toBe('');
});

it('is a difference that diff’s sister understands: applied, it gives the new text', () => {
  const text = fc
    .array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 30 })
    .map((l) => `${l.join('\n')}\n`);
  fc.assert(
    fc.property(text, text, (before, after) => {
      fc.pre(before !== after);
      const file = join(directory, 'file');
      writeFileSync(file, before);
      const patched = spawnSync('patch', ['--quiet', '--output=-', file], {
        encoding: 'utf8',
        input: unifiedDiff(file, before, after),
      });
      expect(patched.stderr).toBe('');
      expect(patched.stdout).toBe(after);
    }),
    { numRuns: 30 },
  );
});
