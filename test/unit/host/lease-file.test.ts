import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readLease, readLeases } from '../../../src/host/linux/read-leases.ts';
import { type Paths, pathsFor } from '../../../src/util/paths.ts';

let paths: Paths;

beforeEach(() => {
  paths = pathsFor(mkdtempSync(join(tmpdir(), 'metactl-leases-')));
  mkdirSync(dirname(paths.leases), { recursive: true });
});
afterEach(() => rmSync(paths.root, { recursive: true, force: true }));

describe('leases.json', () => {
  it('is empty before it is written', () => {
    expect(readLeases(paths)).toEqual({ version: 1, apps: {} });
    expect(readLease(paths, 'web')).toEqual({ address: undefined, uid: undefined });
  });

  it.each([
    '',
    '{',
    '[]',
    'null',
    '{"version":2,"apps":{}}',
    '{"version":1}',
    '{"version":1,"apps":[]}',
    '{"version":1,"apps":{"a":null}}',
    '{"version":1,"apps":{"a":{"uid":"0"}}}',
  ])('is never guessed at: %s', (text) => {
    writeFileSync(paths.leases, text);
    expect(() => readLeases(paths)).toThrow(
      expect.objectContaining({ code: 'METACTL_LEASES_CORRUPT', message: `${paths.leases} is damaged` }),
    );
    expect(readFileSync(paths.leases, 'utf8')).toBe(text);
  });

  it('knows no app by the name of something inherited', () => {
    writeFileSync(paths.leases, '{"version":1,"apps":{}}');
    expect(readLease(paths, 'constructor').address).toBeUndefined();
  });
});
