import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfigFile } from '../../../src/config/read-file.ts';
import { put, scratchRoot } from './root.ts';

describe('readConfigFile', () => {
  it('reads text', () => expect(readConfigFile(put(scratchRoot(), 'f', 'é\n'), true)).toEqual({ text: 'é\n' }));

  it('knows what is absent', () => {
    const file = put(scratchRoot(), 'f', '');
    expect(readConfigFile(`${file}x`, true)).toEqual({ absent: true });
    expect(readConfigFile(join(file, 'x'), true)).toEqual({ absent: true });
  });

  it('does not wait for a FIFO', () => {
    const file = join(scratchRoot(), 'fifo');
    execFileSync('mkfifo', [file]);
    expect(readConfigFile(file, false)).toEqual({
      problem: { message: 'found something else, expected a regular file' },
      line: 0,
    });
  });

  it('refuses a socket', async () => {
    const file = join(scratchRoot(), 'socket');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(file, resolve));
    expect(readConfigFile(file, false)).toMatchObject({
      problem: { message: 'found something else, expected a regular file' },
    });
    await new Promise((resolve) => server.close(resolve));
  });

  it('refuses a device', () => expect(readConfigFile('/dev/zero', false)).toMatchObject({ problem: {} }));

  it('follows no link', () => {
    const root = scratchRoot();
    put(root, 'f', '[env]\n');
    symlinkSync('f', join(root, 'link'));
    expect(readConfigFile(join(root, 'link'), true)).toMatchObject({
      problem: { message: 'found a symbolic link, expected a regular file' },
    });
  });

  it('reads no file with a second name where developers write', () => {
    const root = scratchRoot();
    const file = put(root, 'f', '[env]\n');
    linkSync(file, join(root, 'link'));
    expect(readConfigFile(join(root, 'link'), false)).toEqual({
      problem: {
        message: 'found a file with 2 hard links, expected one with a single name',
        hint: 'put a copy of the file there',
      },
      line: 0,
    });
    expect(readConfigFile(join(root, 'link'), true)).toEqual({ text: '[env]\n' });
  });

  it.each([0o620, 0o602, 0o666])('refuses mode %o for a file of administrators only', (mode) => {
    const file = put(scratchRoot(), 'f', '', mode);
    expect(readConfigFile(file, true)).toMatchObject({ problem: { hint: 'use chmod 600' } });
    expect(readConfigFile(file, false)).toEqual({ text: '' });
  });

  it('refuses a file of somebody else where administrators write', () => {
    const file = put(scratchRoot(), 'f', '');
    if (process.geteuid!() !== 0) {
      expect(readConfigFile('/etc/hostname', true)).toMatchObject({ text: expect.any(String) });
      return;
    }
    chownSync(file, 12345, 12345);
    expect(readConfigFile(file, true)).toEqual({
      problem: { message: 'found a file of uid 12345, expected one of root', hint: 'use chown root' },
      line: 0,
    });
    expect(readConfigFile(file, false)).toEqual({ text: '' });
  });

  it('takes a megabyte and no byte more', () => {
    const root = scratchRoot();
    expect(readConfigFile(put(root, 'f', 'x'.repeat(1_048_576)), true)).toEqual({ text: 'x'.repeat(1_048_576) });
    expect(readConfigFile(put(root, 'f', 'x'.repeat(1_048_577)), true)).toMatchObject({ line: 0, problem: {} });
  });

  it('needs root where it may not read', () => {
    const root = scratchRoot();
    const file = put(root, 'closed/f', '');
    if (process.geteuid!() !== 0) {
      chmodSync(join(root, 'closed'), 0);
      expect(() => readConfigFile(file, true)).toThrow(
        expect.objectContaining({ code: 'METACTL_NEEDS_ROOT', exitStatus: 77 }),
      );
      chmodSync(join(root, 'closed'), 0o700);
      return;
    }
    // As root nothing is closed: the same as another user, in a process of its own.
    chmodSync(root, 0o711);
    chmodSync(join(root, 'closed'), 0o700);
    const script = `process.setgroups([]); process.setgid(12345); process.setuid(12345);
      const { readConfigFile } = require(process.argv[1]);
      try { readConfigFile(process.argv[2], true) } catch (e) { console.log(e.code, e.exitStatus, e.message) }`;
    const bundle = put(root, 'bundle.cjs', bundled(), 0o644);
    const out = execFileSync(process.execPath, ['-e', script, bundle, file], { encoding: 'utf8' });
    expect(out).toBe(`METACTL_NEEDS_ROOT 77 can't read ${file}: EACCES\n`);
  });
});

function bundled(): string {
  const entry = join(import.meta.dirname, '../../../src/config/read-file.ts');
  const esbuild = join(import.meta.dirname, '../../../node_modules/.bin/esbuild');
  return execFileSync(esbuild, [entry, '--bundle', '--platform=node', '--format=cjs'], { encoding: 'utf8' });
}
