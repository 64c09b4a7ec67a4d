import {
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { logs } from '../../../src/host/linux/logs.ts';
import { type Paths, pathsFor } from '../../../src/util/paths.ts';

let root: string;
let paths: Paths;
beforeEach(() => {
  root = mkdtempSync('/var/tmp/metactl-logs-');
  paths = pathsFor(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const open = () => logs.store(paths, 'shop');
const inode = (directory: { readonly fd: number }) => fstatSync(directory.fd).ino;

it('opens a directory once for all that start together, and looks again later', async () => {
  const before = readdirSync('/proc/self/fd').length;
  const [first, second, third] = await Promise.all([open(), open(), open()]);
  expect(new Set([first, second, third].map(({ fd }) => fd)).size).toBe(3);
  expect(readdirSync('/proc/self/fd')).toHaveLength(before + 3);
  expect([second, third].map(inode)).toEqual([inode(first), inode(first)]);
  renameSync(join(paths.log, 'shop'), join(paths.log, 'moved'));
  const fourth = await open();
  expect(inode(fourth)).not.toBe(inode(first));
  for (const one of [first, second, third, fourth]) one.close();
});

it('leaves no descriptor where it is refused', async () => {
  mkdirSync(paths.log, { recursive: true });
  symlinkSync('/', join(paths.log, 'shop'));
  const before = readdirSync('/proc/self/fd').length;
  await expect(open()).rejects.toMatchObject({ code: 'ENOTDIR', hint: 'something else is there; move it away' });
  expect(readdirSync('/proc/self/fd')).toHaveLength(before);
});

it('lists the names once in a while, for those that can do with it', async () => {
  const directory = await open();
  expect(await directory.names()).toEqual([]);
  writeFileSync(join(paths.log, 'shop', 'web.log'), '');
  expect(await directory.names()).toEqual([]);
  expect(await directory.list()).toEqual(['web.log']);
  await expect.poll(() => directory.names()).toEqual(['web.log']);
  directory.close();
});
