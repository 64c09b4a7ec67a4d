import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

const PRINT = join(REPOSITORY, 'src/cli/print.ts');

/** A Node that prints `size` bytes; TypeScript by the bundler, as Node 20 can't strip types. */
function program(size: number): string {
  const source = `import { print } from ${JSON.stringify(PRINT)}; print('x'.repeat(${size}));`;
  const esbuild = join(REPOSITORY, 'node_modules/.bin/esbuild');
  const flags = ['--bundle', '--platform=node', '--format=cjs', '--loader=ts'];
  return execFileSync(esbuild, flags, { input: source, encoding: 'utf8', cwd: REPOSITORY });
}

test('prints all of a long answer into a pipe that is read slowly', async () => {
  const size = 3 << 20;
  const read = await new Promise<number>((resolve, reject) => {
    const child = execFile(process.execPath, ['-e', program(size)], { maxBuffer: size + 1 }, (error) => {
      if (error !== null) reject(error);
    });
    let length = 0;
    child.stdout?.pause();
    setTimeout(() => child.stdout?.resume(), 200);
    child.stdout?.on('data', (data: string) => {
      length += data.length;
    });
    child.stdout?.on('end', () => resolve(length));
  });
  expect(read).toBe(size);
});

test('a reader that went away ends it quietly; a full disk is told', () => {
  const gone = spawnSync('/bin/sh', ['-c', '"$0" -e "$1" | true; exit 0', process.execPath, program(1 << 20)]);
  expect(gone.stderr.toString()).toBe('');
  const full = openSync('/dev/full', 'w');
  const told = spawnSync(process.execPath, ['-e', program(1)], { stdio: ['ignore', full, 'pipe'] });
  expect(told.status).toBe(1);
  expect(told.stderr.toString()).toBe("metactl: can't write the output: ENOSPC\n");
});
