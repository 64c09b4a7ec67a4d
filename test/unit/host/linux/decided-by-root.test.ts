import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { decidedByRoot } from '../../../../src/host/linux/decided-by-root.ts';

const IS_ROOT = process.geteuid?.() === 0;
/** Without root all of it is somebody's. */
const ours = IS_ROOT;
let directory: string;

beforeEach(() => {
  // /tmp is everybody's, so what leads there is nobody's word: the parts are looked at from a directory of root's.
  directory = mkdtempSync(join(IS_ROOT ? '/var/lib' : tmpdir(), 'metactl-decided-'));
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, 'app'));
  mkdirSync(join(directory, 'wide'));
  mkdirSync(join(directory, 'wide/app'));
  chmodSync(join(directory, 'wide'), 0o1777);
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const at = (path: string) => decidedByRoot(join(directory, path));
const link = (path: string, target: string) => symlinkSync(target, join(directory, path));

it('is what is in directories of root’s', () => {
  expect(decidedByRoot('/')).toBe(true);
  expect(decidedByRoot('/usr/bin')).toBe(true);
  expect(at('app')).toBe(ours);
  expect(at('app/../app/.')).toBe(ours);
});

it('is not what is in a directory that others may write', () => {
  expect(at('wide')).toBe(ours);
  expect(at('wide/app')).toBe(false);
  chmodSync(join(directory, 'wide'), 0o775);
  expect(at('wide/app')).toBe(false);
});

it('is what links of root’s lead to, all of the way', () => {
  link('straight', 'app');
  link('absolute', join(directory, 'straight'));
  link('through', 'wide/../app');
  link('wide/link', join(directory, 'app'));
  link('far', 'wide/link');
  expect(at('straight')).toBe(ours);
  expect(at('absolute')).toBe(ours);
  // `wide` itself may be left again, but nothing of it is asked for by name.
  expect(at('through')).toBe(false);
  expect(at('far')).toBe(false);
  if (IS_ROOT) {
    chownSync(directory, 1000, 1000);
    expect(at('straight')).toBe(false);
  }
});

it('is not what is not there, nor a circle', () => {
  link('circle', 'circle');
  link('nowhere', 'gone');
  expect(at('gone')).toBe(false);
  expect(at('nowhere')).toBe(false);
  expect(at('circle')).toBe(false);
});
