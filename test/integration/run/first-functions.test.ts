import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, runMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch } from '../../helpers/scratch.ts';

leakCheck();

const LIST = join(REPOSITORY, 'scripts/run-functions.txt');
const RECORDED = join(REPOSITORY, '.cache/run-functions.txt');

/** Names that changed since are compiled when they are called: that makes starts slower, a few of them not by much. */
it('the list of the functions that a start needs is that of a real start, but for one in twenty', async () => {
  const scratch = makeScratch();
  try {
    const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\nexit 0\n' });
    scratch.node('shop', `[app]\ndirectory = ${directory}\n[daemon.main]\ncommand = ./main.sh\nmemory-max = 64m\n`);
    mkdirSync(join(REPOSITORY, '.cache'), { recursive: true });
    const recorder = join(REPOSITORY, 'scripts/record-run.cjs');
    const env = { NODE_OPTIONS: `--require=${recorder}`, METACTL_RECORD: RECORDED };
    expect(await runMetactl(['run', 'shop', 'main'], { root: scratch.root, env })).toMatchObject({ status: 0 });
    const names = (file: string) => readFileSync(file, 'utf8').trim().split('\n');
    const listed = new Set(names(LIST));
    const called = names(RECORDED);
    const missing = called.filter((name) => !listed.has(name));
    expect(called.length).toBeGreaterThan(400);
    expect(missing.length, `add to ${LIST}: ${missing.join(' ')}`).toBeLessThanOrEqual(called.length / 20);
  } finally {
    scratch.remove();
  }
});
