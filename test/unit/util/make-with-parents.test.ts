import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeWithParents } from '../../../src/util/make-with-parents.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'metactl-make-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

it('makes what is missing', () => {
  const path = join(scratch, 'a/b/c');
  expect(makeWithParents(path)).toBe(true);
  expect(statSync(path).isDirectory()).toBe(true);
  expect(makeWithParents(path)).toBe(false);
});

it('says what is in the way', () => {
  writeFileSync(join(scratch, 'file'), '');
  expect(() => makeWithParents(join(scratch, 'file/b'))).toThrow('ENOTDIR');
});

it('an export to where nothing can be made ends with an error', () => {
  // In a process of its own: Node's recursive mkdir does not return there.
  const { outputFiles } = buildSync({
    ...{ entryPoints: [join(REPOSITORY, 'src/service/below.ts')], bundle: true, write: false },
    ...{
      platform: 'node',
      format: 'cjs',
      footer: { js: "module.exports.inDirectory('/proc/metactl/x', '.', true, () => {})" },
    },
  });
  const { signal, stderr } = spawnSync(process.execPath, ['-e', outputFiles[0]!.text], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect({ signal, stderr }).toEqual({ signal: null, stderr: expect.stringContaining('ENOENT') });
});
