import { chmodSync, lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { mayEnter } from '../../../../src/host/linux/may-enter.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-enter-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('is what the one bit says that counts for a user', () => {
  const { uid, gid } = lstatSync(directory);
  const users = {
    owner: { uid, gid: gid + 1, groups: [] },
    group: { uid: uid + 1, gid, groups: [] },
    member: { uid: uid + 1, gid: gid + 1, groups: [gid] },
    other: { uid: uid + 1, gid: gid + 1, groups: [gid + 2] },
  };
  const may = (mode: number) => {
    chmodSync(directory, mode);
    return Object.entries(users).flatMap(([name, user]) => (mayEnter(directory, user) ? [name] : []));
  };
  expect(may(0o700)).toEqual(['owner']);
  expect(may(0o750)).toEqual(['owner', 'group', 'member']);
  expect(may(0o701)).toEqual(['owner', 'other']);
  expect(may(0o011)).toEqual(['group', 'member', 'other']);
  expect(may(0o744)).toEqual(['owner']);
});

it('is not what is no directory or not there', () => {
  const user = { uid: process.geteuid!(), gid: process.getegid!(), groups: [] };
  writeFileSync(join(directory, 'file'), '', { mode: 0o777 });
  symlinkSync(directory, join(directory, 'link'));
  for (const name of ['file', 'link', 'gone']) expect(mayEnter(join(directory, name), user)).toBe(false);
});
