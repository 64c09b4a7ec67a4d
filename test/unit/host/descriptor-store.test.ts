import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addon } from '../../../src/host/linux/addon.ts';
import { DescriptorStore } from '../../../src/host/linux/descriptor-store.ts';

let directory: string;
let store: DescriptorStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-store-'));
  store = new DescriptorStore();
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
  vi.restoreAllMocks();
});

const files = (count: number) =>
  Array.from({ length: count }, (_, i) => openSync(join(directory, String(i)), 'a', 0o600));
const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

describe('a store of descriptors', () => {
  it('takes as many as it may, and closes the rest', () => {
    const fds = files(5);
    expect(store.add(fds, { name: 'x', watched: false }, 3)).toBe(2);
    expect(fds.map(isOpen)).toEqual([true, true, true, false, false]);
    expect(store.current().map(({ descriptor }) => descriptor.fd)).toEqual(fds.slice(0, 3));
  });

  it('compares a descriptor with none that can not be the same, however many come and are stored', () => {
    const compared = vi.spyOn(addon(), 'isSameFile');
    store.add(files(100), { name: 'x', watched: false }, 100);
    expect(compared).not.toHaveBeenCalled();
    // The same files, opened once more: one comparison each.
    expect(store.add(files(100), { name: 'x', watched: false }, 100)).toBe(100);
    expect(compared).toHaveBeenCalledTimes(100);
  });

  it('takes no more names than a program can be given', () => {
    const name = 'n'.repeat(255);
    expect(store.add(files(300), { name, watched: false }, 512)).toBe(300 - 256);
    store.remove(name);
    expect(store.add(files(3), { name: 'short', watched: false }, 512)).toBe(0);
  });

  it('makes room by letting go of what hung up', () => {
    const { read, write } = addon().pipe(true);
    store.add([read], { name: 'x', watched: true }, 1);
    closeSync(write);
    const [file] = files(1);
    expect(store.add([file!], { name: 'y', watched: true }, 1)).toBe(0);
    expect(store.current().map(({ name }) => name)).toEqual(['y']);
  });
});
