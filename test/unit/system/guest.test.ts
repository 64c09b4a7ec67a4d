import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cached } from '../../system/guest/cache.ts';
import { findMirror } from '../../system/guest/debian.ts';
import { qemuArguments } from '../../system/guest/qemu.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'metactl-cache-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('what is in the cache is not made again; another key makes it anew and drops the old', async () => {
  const make = (text: string) => async (made: string) => writeFileSync(join(made, 'text'), text);
  const first = await cached('debian', ['1'], make('one'), directory);
  expect(await cached('debian', ['1'], make('two'), directory)).toBe(first);
  expect(readFileSync(join(first, 'text'), 'utf8')).toBe('one');
  const image = await cached('image', ['1'], make('image'), directory);
  const second = await cached('debian', ['2'], make('two'), directory);
  expect(readFileSync(join(second, 'text'), 'utf8')).toBe('two');
  expect([existsSync(first), existsSync(image)]).toEqual([false, true]);
});

test('what two want at the same time is made once, and waited for', async () => {
  let made = 0;
  const make = async (directory: string) => {
    made++;
    await sleep(200);
    writeFileSync(join(directory, 'text'), 'there');
  };
  const paths = await Promise.all([1, 2].map(() => cached('debian', ['1'], make, directory)));
  expect([...new Set(paths)].map((path) => readFileSync(join(path, 'text'), 'utf8'))).toEqual(['there']);
  expect(made).toBe(1);
});

test('what could not be made is not in the cache', async () => {
  await expect(cached('debian', ['1'], () => Promise.reject(new Error('no mirror')), directory)).rejects.toThrow(
    'no mirror',
  );
  expect(readdirSync(directory)).toEqual([]);
});

test('the mirror is the one that apt uses for the suite', () => {
  const targets =
    'bookworm-updates main http://a/debian/\nbookworm contrib http://b/debian/\nbookworm main http://c/debian/\n';
  expect(findMirror(targets)).toBe('http://c/debian/');
  expect(findMirror('trixie main http://a/debian/\n')).toBeUndefined();
});

test('a guest has no network device, and never writes to its images', () => {
  const image = { kernel: '/k', initrd: '/i', disks: ['/root.ext4'] };
  const words = qemuArguments({ image, port: '/p', console: '/c', disks: [{ path: '/d.ext4', serial: 'spare' }] });
  expect(words).toContain('-nodefaults');
  expect(words.filter((word) => /^-net|^-nic|virtio-net|user,/.test(word))).toEqual([]);
  const drives = words.filter((word) => word.startsWith('file=') && word !== 'file:/c');
  expect(drives.map((word) => /snapshot=on/.test(word))).toEqual([true, true]);
  expect(words).toContain('virtio-blk-pci,drive=disk1,serial=spare');
});
