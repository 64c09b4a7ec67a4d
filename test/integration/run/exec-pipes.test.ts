import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY, type Running, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let scratch: Scratch;
let running: Running;

beforeAll(async () => {
  scratch = makeScratch();
  const directory = scratch.appDirectory('shop', { 'main.sh': '#!/bin/sh\necho up\nexec sleep 1000\n' });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nmode = none\n[daemon.main]\ncommand = ./main.sh\n`,
  );
  running = startMetactl(['run', 'shop'], { root: scratch.root });
  await running.waitFor(/up/);
});
afterAll(async () => {
  await running.stop('SIGTERM');
  scratch.remove();
});

/** Runs a shell line in which `$EXEC` is `metactl exec shop`. */
function line(script: string): Promise<{ stdout: string; stderr: string }> {
  const env = {
    PATH: process.env.PATH ?? '',
    METACTL_ROOT: scratch.root,
    EXEC: `${process.execPath} ${join(REPOSITORY, 'bin/metactl.cjs')} exec shop`,
  };
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', script], { env, timeout: 30_000 }, (_error, stdout, stderr) =>
      resolve({ stdout, stderr }),
    );
  });
}

describe('metactl exec in a pipeline', () => {
  it.each(['', '--fresh'])('loses no output of a program that is faster than its reader (%s)', async (option) => {
    const { stdout, stderr } = await line(`$EXEC ${option} -- head -c 3000000 /dev/zero | (sleep 0.5; wc -c)`);
    expect({ stdout, stderr }).toEqual({ stdout: '3000000\n', stderr: '' });
  });

  it('waits for input that comes late', async () => {
    const { stdout, stderr } = await line('(sleep 0.5; echo late) | $EXEC -- cat | cat');
    expect({ stdout, stderr }).toEqual({ stdout: 'late\n', stderr: '' });
  });
});
