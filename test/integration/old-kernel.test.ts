import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { REPOSITORY } from '../helpers/run-metactl.ts';

/** What shows most in little time; `npm run test:old-kernel` runs everything so. */
const PART = ['native/launch', 'native/join', 'native/mounts', 'native/unsandboxed', 'isolation/inside', 'run/run'];

it('on a kernel of 2018 (RHEL 8) sandboxes are built, run, entered and ended all the same', () => {
  const files = PART.map((name) => join('test/integration', `${name}.test.ts`));
  const { status, stdout, stderr } = spawnSync('bash', [join(REPOSITORY, 'scripts/test-old-kernel.sh'), ...files], {
    cwd: REPOSITORY,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`);
  expect(stdout).toContain(`Test Files  ${PART.length} passed (${PART.length})`);
  // Other test runs of this machine take their turns.
}, 600_000);
