import { fstatSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
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

const open = () => logs.directory(paths, 'shop', true)!;
const inode = (directory: { readonly fd: number }) => fstatSync(directory.fd).ino;

it('opens a directory once for all that start in one turn, and looks again in the next', async () => {
  const [first, second] = [open(), open()];
  expect(second.fd).not.toBe(first.fd);
  renameSync(join(paths.log, 'shop'), join(paths.log, 'moved'));
  const third = open();
  expect([second, third].map(inode)).toEqual([inode(first), inode(first)]);
  await turn();
  await turn();
  const fourth = open();
  expect(inode(fourth)).not.toBe(inode(first));
  for (const one of [first, second, third, fourth]) one.close();
});

it('keeps nothing of one that is closed', () => {
  const first = open();
  const { fd } = first;
  first.close();
  const second = open();
  // The lowest number that is free.
  expect(second.fd).toBe(fd);
  second.close();
});

it('lists the names once in a turn, for those that can do with it', async () => {
  const directory = open();
  expect(directory.names()).toEqual([]);
  writeFileSync(join(paths.log, 'shop', 'web.log'), '');
  expect(directory.names()).toEqual([]);
  expect(directory.list()).toEqual(['web.log']);
  await turn();
  await turn();
  expect(directory.names()).toEqual(['web.log']);
  directory.close();
});
