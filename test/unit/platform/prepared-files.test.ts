import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withPreparedFiles } from '../../../src/platform/prepared-files.ts';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'metactl-prepared-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function run(argv: readonly string[]) {
  return spawnSync(argv[0]!, argv.slice(1), { encoding: 'utf8' });
}

describe('files that a daemon makes for itself', () => {
  it('makes them whatever their text, and becomes the program', () => {
    const base = join(scratch, 'base');
    const content = '$(touch pwned) `x` "\' \\n %s --\n-- \n\n';
    const odd = join(base, "a b/$HOME;'x'.xml");
    const files = [
      { kind: 'file', path: odd, content },
      { kind: 'directory', path: join(base, 'made') },
      { kind: 'file', path: join(base, 'empty'), content: '' },
      { kind: 'link', path: join(base, 'deep/logs'), to: scratch },
    ] as const;
    const { status, stdout, stderr } = run(withPreparedFiles(base, files, ['printf', '<%s>', '--', 'a b', '']));
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '<--><a b><>', stderr: '' });
    expect(readFileSync(odd, 'utf8')).toBe(content);
    expect(existsSync(join(base, 'made'))).toBe(true);
    expect(readlinkSync(join(base, 'deep/logs'))).toBe(scratch);
    expect(readFileSync(join(base, 'empty'), 'utf8')).toBe('');
  });

  it('empties the directory first', () => {
    const base = join(scratch, 'base');
    mkdirSync(join(base, 'start.d'), { recursive: true });
    writeFileSync(join(base, 'start.d/evil.ini'), '');
    expect(run(withPreparedFiles(base, [{ kind: 'file', path: join(base, 'x'), content: 'y' }], ['true'])).status).toBe(
      0,
    );
    expect(existsSync(join(base, 'start.d'))).toBe(false);
    expect(readFileSync(join(base, 'x'), 'utf8')).toBe('y');
  });

  it('keeps the pid and the status of the program', () => {
    const argv = withPreparedFiles(join(scratch, 'b'), [], ['/bin/sh', '-c', 'echo $$; exit 7']);
    const { pid, status, stdout } = run(argv);
    expect([status, stdout]).toEqual([7, `${pid}\n`]);
  });

  it('does not start the program where the directory cannot be made', () => {
    writeFileSync(join(scratch, 'file'), '');
    const base = join(scratch, 'file/base');
    const { status, stdout, stderr } = run(
      withPreparedFiles(base, [{ kind: 'directory', path: base }], ['echo', 'started']),
    );
    expect(status).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain(join(scratch, 'file'));
  });
});
