import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { linuxKernel } from '../../../../src/host/linux/cgroup/kernel.ts';

describe('the kernel as cgroup code uses it', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'metactl-kernel-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('makes directories with their parents, and tells whether they were there', () => {
    expect(linuxKernel.mkdir(join(root, 'a/b/c'))).toBe(true);
    expect(linuxKernel.mkdir(join(root, 'a/b/c'))).toBe(false);
    expect(linuxKernel.directories(join(root, 'a'))).toEqual(['b']);
    expect(linuxKernel.directories(join(root, 'gone'))).toEqual([]);
    linuxKernel.rmdir(join(root, 'a/b/c'));
    expect(() => linuxKernel.rmdir(join(root, 'a/b/c'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });

  it('never makes a file, nor empties one, nor follows a link to one', () => {
    expect(() => linuxKernel.write(join(root, 'new'), '1')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(linuxKernel.exists(join(root, 'new'))).toBe(false);
    writeFileSync(join(root, 'file'), 'abc');
    linuxKernel.write(join(root, 'file'), '1');
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('1bc');
    symlinkSync(join(root, 'file'), join(root, 'link'));
    for (const open of [linuxKernel.openForWriting, (path: string) => linuxKernel.write(path, '1')]) {
      expect(() => open(join(root, 'link'))).toThrow(expect.objectContaining({ code: 'ELOOP' }));
    }
    mkdirSync(join(root, 'directory'));
    symlinkSync(join(root, 'directory'), join(root, 'way'));
    expect(() => linuxKernel.openDirectory(join(root, 'way'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
  });

  it('reads undefined for what is gone, and throws for the rest', () => {
    expect(linuxKernel.read(join(root, 'gone/file'))).toBeUndefined();
    expect(linuxKernel.fileSystem(join(root, 'gone'))).toBeUndefined();
    expect(linuxKernel.isRoots(join(root, 'gone'))).toBe(false);
    expect(() => linuxKernel.read(root)).toThrow(expect.objectContaining({ code: 'EISDIR' }));
  });
});
