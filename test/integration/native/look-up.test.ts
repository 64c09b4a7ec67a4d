import { execFileSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { lookUp } from '../../../src/host/linux/look-up.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';

it('a name is looked up as the host does it, each address once', async () => {
  expect(await lookUp('localhost')).toContain('127.0.0.1');
  expect(await lookUp('127.0.0.1')).toEqual(['127.0.0.1']);
  expect(await lookUp('::ffff:192.0.2.1')).toEqual(['::ffff:192.0.2.1']);
  await expect(lookUp('nowhere.invalid')).rejects.toMatchObject({
    message: expect.stringMatching(/^nowhere\.invalid does not resolve \((ENOTFOUND|EAI_AGAIN)\)$/),
    code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/),
  });
});

it('many at once, and the process ends without waiting for them', () => {
  const program = `
    const addon = require('./build/Release/metactl.node');
    addon.initialize(class extends Error {});
    let done = 0;
    for (let i = 0; i < 300; i++) addon.lookUp('127.0.0.' + (i % 250), () => { done++; });
    const look = setInterval(() => {
      if (done < 300) return;
      clearInterval(look);
      for (let i = 0; i < 50; i++) addon.lookUp('nowhere' + i + '.invalid', () => {});
      console.log('ended');
    }, 1);`;
  const begun = performance.now();
  const told = execFileSync(process.execPath, ['-e', program], { cwd: REPOSITORY, encoding: 'utf8', timeout: 30_000 });
  expect(told).toBe('ended\n');
  expect(performance.now() - begun).toBeLessThan(4_000);
});
