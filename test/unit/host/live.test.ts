import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LiveState, readEntry, readLive, removeLive, writeLive } from '../../../src/host/linux/live.ts';
import type { SandboxPlan } from '../../../src/sandbox/plan.ts';
import { type Paths, pathsFor } from '../../../src/util/paths.ts';

let root: string;
let paths: Paths;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'metactl-live-'));
  paths = pathsFor(root);
  directory = paths.runApp('shop');
  mkdirSync(directory, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const live: LiveState = {
  app: 'shop',
  daemon: 'web',
  pid: 4711,
  startTime: '123',
  bootId: 'b',
  pidNamespace: '4',
  supervisor: 1,
  startedAt: 0,
};
const entry: Pick<SandboxPlan, 'process' | 'identity'> = {
  identity: { user: 'shop', uid: 90_000, gid: 90_001, groups: [4], capabilities: ['KILL'] },
  process: {
    argv: ['./serve'],
    env: { PASSWORD: 'ä"\n', PATH: '/bin' },
    workingDirectory: '/srv/shop',
    umask: 0o27,
    nice: -1,
    oomScoreAdj: 0,
    rlimits: { nofile: [1024, 4096], core: [0, Number.POSITIVE_INFINITY] },
    seccomp: 'default',
    seccompProgram: new Uint8Array([0, 1, 254, 255]),
    noNewPrivs: true,
  },
};

it('gives back what a start has left for those who enter, exactly', () => {
  writeLive(paths, live, entry);
  expect(readLive(paths, 'shop', 'web')).toEqual(live);
  expect(readEntry(paths, live)).toEqual(entry);
  expect(readdirSync(directory).sort()).toEqual(['web.entry', 'web.json']);
});

it('knows none of another start, nor a torn one', () => {
  writeLive(paths, live, entry);
  expect(readEntry(paths, { ...live, startTime: '124' })).toBeUndefined();
  writeFileSync(join(directory, 'web.entry'), '{"startTime":"123","proc');
  expect(readEntry(paths, live)).toBeUndefined();
});

it('leaves nothing', () => {
  writeLive(paths, live, entry);
  removeLive(paths, 'shop', 'web');
  expect(readdirSync(directory)).toEqual([]);
});
