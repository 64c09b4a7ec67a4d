import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { useRunningShop } from '../../helpers/running-shop.ts';

leakCheck();

const shop = useRunningShop();

/** Runs a shell line in which `$EXEC` is `metactl exec shop`. */
function line(script: string): Promise<{ stdout: string; stderr: string }> {
  const env = {
    PATH: process.env.PATH ?? '',
    METACTL_ROOT: shop.root,
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
