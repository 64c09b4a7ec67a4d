import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { logs } from '../../../../src/host/linux/logs.ts';
import type { LogStore } from '../../../../src/host/log-host.ts';
import { Compressor } from '../../../../src/supervisor/logs/compress.ts';

const NAME = 'web.20261126T162501.123Z.log';
const DELAY = 20;

let root: string;
let compressor: Compressor;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'metactl-compress-'));
  compressor = new Compressor(DELAY);
});
afterEach(() => {
  compressor.stop();
  rmSync(root, { recursive: true });
});

function directoryWith(name: string, files: Readonly<Record<string, string>>): LogStore {
  const path = join(root, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return logs.storeBehind(openSync(path, 'r'), path);
}

async function until(is: () => boolean): Promise<void> {
  for (const end = performance.now() + 5000; !is(); await sleep(5)) {
    if (performance.now() > end) throw new Error(`still ${readdirSync(root, { recursive: true }).join(' ')}`);
  }
}

/** What this process has open below the root. */
function openBelow(): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return links.filter((link) => link.startsWith(`${root}/`)).map((link) => link.slice(root.length + 1));
}

it('are compressed though their directory is closed, and its number another one', async () => {
  const one = directoryWith('shop', { [NAME]: 'shop\n' });
  await compressor.add(one, NAME);
  one.close();
  const other = directoryWith('other', { [NAME]: 'other\n' });
  expect(other.fd).toBe(one.fd);
  await until(() => existsSync(join(root, 'shop', `${NAME}.gz`)) && openBelow().length === 1);
  expect(readdirSync(join(root, 'shop'))).toEqual([`${NAME}.gz`]);
  expect(gunzipSync(readFileSync(join(root, 'shop', `${NAME}.gz`))).toString()).toBe('shop\n');
  expect(readFileSync(join(root, 'other', NAME), 'utf8')).toBe('other\n');
  expect(openBelow()).toEqual(['other']);
  other.close();
});

it('of one directory need one descriptor, however many they are, and none once they are done', async () => {
  const names = Array.from({ length: 20 }, (_, i) => NAME.replace('123', String(100 + i)));
  const directory = directoryWith('shop', Object.fromEntries(names.map((name) => [name, name])));
  await Promise.all(names.map((name) => compressor.add(directory, name)));
  await compressor.add(directory, names[0]!);
  directory.close();
  expect(openBelow().filter((path) => path === 'shop')).toEqual(['shop']);
  await until(() => openBelow().length === 0);
  expect(readdirSync(join(root, 'shop')).sort()).toEqual(names.map((name) => `${name}.gz`));
});

it('stay as they are where it is stopped, and so does nothing else', async () => {
  const directory = directoryWith('shop', { [NAME]: 'shop\n'.repeat(1_000_000) });
  await compressor.add(directory, NAME);
  await until(() => existsSync(join(root, 'shop', `${NAME}.gz.new`)));
  compressor.stop();
  directory.close();
  await until(() => openBelow().length === 0);
  expect(readdirSync(join(root, 'shop'))).toEqual([NAME]);
  await compressor.add(directory, NAME);
  expect(openBelow()).toEqual([]);
});
