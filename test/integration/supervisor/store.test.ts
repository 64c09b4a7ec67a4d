import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { REPOSITORY } from '../../helpers/run-metactl.ts';
import { makeSite, type Site } from './site.ts';

leakCheck();

let site: Site;
beforeEach(() => {
  site = makeSite();
});
afterEach(() => site.remove());

/** An app whose daemon stores a listening socket, so many pipes with both ends, and some that are not to be seen again. */
function shop(pipes: number, keys: string, sections = '[sandbox.net]\nmode = none\n', words = ''): void {
  const directory = site.scratch.appDirectory('shop', {});
  copyFileSync(join(REPOSITORY, 'test/fixtures/programs/store.py'), join(directory, 'store.py'));
  const command = `/usr/bin/python3 ${directory}/store.py ${pipes} ${directory}/go ${words}`;
  site.scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n${sections}[daemon.web]\ncommand = ${command}\n${keys}\n`,
  );
}

const said = () =>
  [...readFileSync(join(site.root, 'var/log/metactl/shop/web.log'), 'utf8').matchAll(/ out: (.*)$/gm)].map(
    (one) => one[1]!,
  );

/** Ends the daemon that has found nothing: the next one is to find what it left. */
async function crash(): Promise<void> {
  writeFileSync(join(site.root, 'apps/shop/go'), 'True');
  await expect
    .poll(async () => (await site.status('shop'))[0], { timeout: 10_000 })
    .toMatchObject({ state: 'ready', restarts: 1 });
}

describe('descriptors that a daemon leaves', () => {
  it('are found by its next start, in their order, without those that hung up or were removed', async () => {
    shop(2, 'ready = notify\nfile-descriptor-store-max = 20');
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ stderr: '', status: 0 });
    await crash();
    expect(said()).toEqual([
      'found 0 False   []',
      'found 6 True web:kept:stored:end:stored:end sppppp []',
      'accepted waiting',
    ]);
  });

  it('are kept over a restart by hand and a reexec, and closed by a stop', async () => {
    shop(0, 'ready = notify\nfile-descriptor-store-max = 20');
    await site.metactl(['start', 'shop']);
    expect(await site.metactl(['reexec'])).toMatchObject({ status: 0 });
    expect(await site.metactl(['restart', 'shop'])).toMatchObject({ status: 0 });
    expect(said().slice(1)).toEqual(['found 2 True web:kept sp []', 'accepted waiting']);
    await site.metactl(['stop', 'shop']);
    await site.metactl(['start', 'shop']);
    expect(said().slice(3)).toEqual(['found 0 False   []']);
  });

  it('are as many as allowed', async () => {
    shop(3, 'ready = notify\nfile-descriptor-store-max = 4');
    await site.metactl(['start', 'shop']);
    const { stdout } = await site.metactl(['events', '--json', 'shop']);
    expect(stdout).toContain('it leaves more descriptors (FDSTORE) than `file-descriptor-store-max = 4` allows');
    await crash();
    // The one that hung up made room.
    expect(said()[1]).toBe('found 4 True web:kept:stored:end sppp []');
  });

  it('may be hundreds', async () => {
    shop(250, 'ready = notify\nfile-descriptor-store-max = 512');
    await site.metactl(['start', 'shop']);
    await crash();
    expect(said()[1]).toMatch(/^found 502 True web:kept:stored:end:stored:end.* sppppppppppppppppppp \[\]$/);
    expect(said()[2]).toBe('accepted waiting');
  });

  it.each([
    ['without a sandbox', '[sandbox]\nenabled = no\nallow-root = yes\n'],
    ['from a user namespace', '[sandbox]\nuser-namespace = yes\n[sandbox.net]\nmode = none\n'],
  ])('come with the right pid %s too', async (_, sections) => {
    shop(6, 'ready = notify\nfile-descriptor-store-max = 20', sections);
    expect(await site.metactl(['start', 'shop'])).toMatchObject({ stderr: '', status: 0 });
    await crash();
    expect(said().slice(-2)).toEqual([
      'found 14 True web:kept:stored:end:stored:end:stored:end:stored:end:stored: sppppppppppppp []',
      'accepted waiting',
    ]);
    await site.metactl(['stop', 'shop']);
  });

  it('leave room for the descriptor that tells of readiness', async () => {
    for (const most of [1, 8, 9, 20]) {
      shop(
        Math.floor(most / 2),
        `ready = fd:${3 + most}\nfile-descriptor-store-max = ${most}`,
        undefined,
        `${3 + most}`,
      );
      rmSync(join(site.root, 'apps/shop/go'), { force: true });
      expect(await site.metactl(['start', 'shop'])).toMatchObject({ stderr: '', status: 0 });
      await crash();
      expect(said().at(-2)).toContain(`True web`);
      expect(said().at(-2)).toMatch(new RegExp(`^found \\d+ .* \\[${3 + most}\\]$`));
      await site.metactl(['stop', 'shop']);
    }
    shop(0, 'ready = fd:5\nfile-descriptor-store-max = 4');
    expect(await site.metactl(['start', 'shop'])).toMatchObject({
      status: 78,
      stderr: expect.stringContaining(
        "`ready = fd:5` can't be: descriptors 3 to 6 are those of `file-descriptor-store-max = 4`\n",
      ),
    });
  });
});
