import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

let directory: string | undefined;

afterEach(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  directory = undefined;
});

type Packages = Readonly<Record<string, object>>;

/** Exit status of deps-current.mjs in a checkout with these lock files. */
function depsCurrent(wanted: Packages, installed: Packages | undefined): number | null {
  directory ??= mkdtempSync(join(tmpdir(), 'metactl-setup-'));
  cpSync(join(REPOSITORY, 'scripts/deps-current.mjs'), join(directory, 'scripts/deps-current.mjs'));
  mkdirSync(join(directory, 'node_modules'), { recursive: true });
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ packages: wanted }));
  if (installed !== undefined) {
    writeFileSync(join(directory, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }));
  }
  return spawnSync(process.execPath, [join(directory, 'scripts/deps-current.mjs')]).status;
}

const A = { version: '1.0.0' };

test('node_modules is current when it holds what the lock file asks for', () => {
  expect(depsCurrent({ '': {}, 'node_modules/a': A }, undefined)).toBe(1);
  expect(depsCurrent({ '': {}, 'node_modules/a': A }, {})).toBe(1);
  expect(depsCurrent({ '': {}, 'node_modules/a': A }, { 'node_modules/a': { version: '1.0.1' } })).toBe(1);
  expect(depsCurrent({ '': {}, 'node_modules/a': A }, { 'node_modules/a': A })).toBe(0);
});

test("an optional package may be absent, but not if it is the project's own", () => {
  const wanted = { 'node_modules/netlink': { ...A, optional: true } };
  expect(depsCurrent({ '': {}, ...wanted }, {})).toBe(0);
  expect(depsCurrent({ '': { optionalDependencies: { netlink: '1' } }, ...wanted }, {})).toBe(1);
});

test('setup refuses a need it does not know, before it does anything', () => {
  const { status, stderr } = spawnSync('bash', [join(REPOSITORY, 'scripts/setup.sh'), 'buidl'], { encoding: 'utf8' });
  expect(stderr).toBe('setup: unknown need `buidl`; known are build, lint, test, demo and bench\n');
  expect(status).toBe(2);
});
