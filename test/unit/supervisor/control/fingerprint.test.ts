import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { AppConfig } from '../../../../src/config/types.ts';
import { changedKeys, fingerprintOf, signatureOf } from '../../../../src/supervisor/control/fingerprint.ts';

function config(sections: Readonly<Record<string, Readonly<Record<string, string>>>>): AppConfig {
  return {
    directory: '/srv/shop',
    sections: () => Object.keys(sections),
    section: (name: string) => Object.entries(sections[name] ?? {}).map(([key, text]) => ({ key, text })),
  } as unknown as AppConfig;
}

it('a daemon depends on its own sections and those of the app, not on those of others', () => {
  const before = fingerprintOf(
    config({
      'daemon.web': { command: 'a' },
      'daemon.db': { command: 'x' },
      env: { A: '1' },
      'sandbox.net': { mode: 'nat' },
    }),
    'web',
  );
  expect([...before.keys()]).toEqual(['the app directory', '[daemon.web] command', '[env] A', '[sandbox.net] mode']);
  const after = fingerprintOf(
    config({
      'daemon.web': { command: 'b' },
      'daemon.db': { command: 'y' },
      env: {},
      'env.web': { B: '2' },
      'sandbox.net': { mode: 'nat' },
    }),
    'web',
  );
  expect(changedKeys(before, after)).toEqual(['[daemon.web] command', '[env.web] B', '[env] A']);
  expect(changedKeys(before, before)).toEqual([]);
});

it('a signature tells a file that was made, changed or removed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'metactl-signature-'));
  try {
    const file = join(directory, 'x');
    const seen = [signatureOf([file])];
    writeFileSync(file, 'a');
    seen.push(signatureOf([file]));
    writeFileSync(file, 'ab');
    seen.push(signatureOf([file]));
    expect(signatureOf([file])).toBe(seen[2]);
    rmSync(file);
    expect(signatureOf([file])).toBe(seen[0]);
    expect(new Set(seen).size).toBe(3);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
