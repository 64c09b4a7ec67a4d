import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/host/finding.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

interface Told {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly apps: readonly { readonly app: string; readonly state: string; readonly reasons: readonly string[] }[];
}

const NOBODY = 65_534;

let empty: Scratch;
let scratch: Scratch;
/** Configuration of an app; a limit may follow. */
let strict: string;

beforeAll(() => {
  empty = makeScratch();
  scratch = makeScratch();
  const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\n' });
  const app = `[app]\ndirectory = ${directory}\n[daemon.main]\ncommand = ./main.sh\n`;
  scratch.node('shop', app);
  strict = app;
});
afterAll(() => {
  empty.remove();
  scratch.remove();
});

async function doctor(root: string, options: { uid?: number; gid?: number } = {}) {
  const { stdout, stderr, status } = await runMetactl(['doctor', '--json'], { root, ...options });
  expect(stderr).toBe('');
  return { told: JSON.parse(stdout) as Told, status };
}

describe('metactl doctor', () => {
  it('finds what this machine runs apps with, and is quick', async () => {
    const times: number[] = [];
    for (let round = 0; round < 3; round++) {
      const started = performance.now();
      const { told, status } = await doctor(empty.root);
      times.push(performance.now() - started);
      expect({ status, ok: told.ok, apps: told.apps }).toEqual({ status: 0, ok: true, apps: [] });
      expect(told.findings.filter(({ state }) => state === 'failed')).toEqual([]);
      const tried = told.findings.filter(({ name }) =>
        /^(namespace|seccomp|link veth|nf_tables|nft fib|nft nat|nft sets)/.test(name),
      );
      expect(tried.length).toBe(14);
      // Linux 5.12, and the file system must say so: whatever it is here, there is a line for it.
      expect(told.findings.some(({ name }) => /^idmapped mounts \w+$/.test(name))).toBe(true);
      expect(new Set(tried.map(({ state }) => state))).toEqual(new Set(['ok']));
    }
    expect(Math.min(...times)).toBeLessThan(1_000);
  });

  it('names the app that can’t run, and why', async () => {
    const { told: before } = await doctor(scratch.root);
    expect(before).toMatchObject({ ok: true, apps: [{ app: 'shop', state: 'ok', reasons: [] }] });
    const says = (name: string) => before.findings.find((finding) => finding.name === name)!;
    // What this machine can't enforce: version 1 of cgroups has no memory-high, few machines have a device that obeys weights.
    const limits = [
      {
        key: 'memory-high',
        value: '64m',
        lacking: says('cgroup memory').meaning.includes('memory-high needs version 2'),
      },
      { key: 'io-weight', value: '50', lacking: says('cgroup io').state === 'warning' },
    ];
    const { key, value } = limits.find(({ lacking }) => lacking)!;
    scratch.node('strict', `${strict}${key} = ${value}\n`);
    const { told, status } = await doctor(scratch.root);
    expect(status).toBe(1);
    expect(told.ok).toBe(false);
    expect(told.apps).toEqual([
      { app: 'shop', state: 'ok', reasons: [] },
      { app: 'strict', state: 'failed', reasons: [expect.stringContaining(`can't enforce ${key} (`)] },
    ]);
    const { stdout } = await runMetactl(['doctor'], { root: scratch.root });
    expect(stdout).toMatch(/^failed {3}app strict +\S+\/strict\.conf:5: can't enforce /m);
    expect(stdout).toMatch(/; 1 of 2 apps can run here\n$/);
  });

  it('names the address that ports are published at and this host has not', async () => {
    scratch.node('shop', `${strict}[sandbox.net]\npublish = 127.0.0.1:8080:80 192.0.2.77:8080:80\n`);
    try {
      const { told } = await doctor(scratch.root);
      const found = told.findings.filter(({ name }) => name.startsWith('published '));
      expect(found.map(({ name, state }) => `${state} ${name}`)).toEqual([
        'ok published 127.0.0.1',
        'warning published 192.0.2.77',
      ]);
      expect(told.apps).toContainEqual({ app: 'shop', state: 'ok', reasons: [] });
    } finally {
      scratch.node('shop', strict);
    }
  });

  it('says to a user what only root can tell', async () => {
    const { told, status } = await doctor(scratch.root, { uid: NOBODY, gid: NOBODY });
    expect(status).toBe(77);
    const unknown = told.findings.filter(({ state }) => state === 'unknown').map(({ name }) => name);
    expect(unknown).toEqual(expect.arrayContaining(['namespace mnt', 'namespace net', 'link veth', 'nf_tables']));
    expect(told.findings.find(({ name }) => name === 'seccomp filter')?.state).toBe('ok');
    expect(new Set(told.apps.map(({ state }) => state))).toEqual(new Set(['unknown']));
  });

  it('finds of nf_tables what nft finds', async () => {
    const { told } = await doctor(empty.root);
    const script =
      'nft add table inet t && nft "add chain inet t c { type nat hook postrouting priority 100; }" && nft add rule inet t c masquerade';
    const { status } = spawnSync('unshare', ['--net', 'sh', '-c', script], { stdio: 'ignore' });
    expect(told.findings.find(({ name }) => name === 'nft nat')!.state).toBe(status === 0 ? 'ok' : 'warning');
  });

  it('loads no kernel module and changes no table', async () => {
    const modules = () =>
      (existsSync('/proc/modules') ? readFileSync('/proc/modules', 'utf8') : '').replace(/^(\S+).*$/gm, '$1');
    const before = modules();
    await doctor(scratch.root);
    expect(modules()).toBe(before);
  });
});
