import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { makeSite, type Site } from '../supervisor/site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
  site.scratch.metactlConf('[node]\nservice-manager = systemd\n');
  site.app('shop', { web: 'command = /bin/sleep 98763' });
});
afterEach(async () => {
  await site.metactl(['uninstall', 'shop'], { env: systemctl() });
  await site.remove();
});

/** Stands for a systemctl whose units are all up. @returns the environment it is found by. */
function systemctl(): Record<string, string> {
  const bin = join(site.root, 'bin');
  mkdirSync(bin, { recursive: true });
  const show = 'for unit do :; done; printf "Id=%s\\nActiveState=active\\nMainPID=1\\n" "$unit"';
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\ncase $1 in show) ${show};; esac\n`);
  chmodSync(join(bin, 'systemctl'), 0o755);
  return { PATH: `${bin}:${process.env.PATH}` };
}

it.each<{ more: readonly string[] }>([{ more: [] }, { more: ['--kill'] }, { more: ['--json'] }])(
  'what its unit and the supervisor of the node both have is stopped, told once: $more',
  async ({ more }) => {
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ stdout: 'shop/web is up\n', status: 0 });
    const env = systemctl();
    expect(await site.metactl(['install', 'shop'], { env })).toMatchObject({ stderr: '', status: 0 });
    const { stdout, status } = await site.metactl(['stop', 'shop', ...more], { env });
    if (more.includes('--json')) {
      expect(JSON.parse(stdout)).toEqual({ daemons: [{ app: 'shop', daemon: 'web', done: 'is stopped' }] });
    } else expect({ stdout, status }).toEqual({ stdout: 'shop/web is stopped\n', status: 0 });
    expect((await site.metactl(['status', 'shop'])).stdout).not.toContain('running');
  },
);
