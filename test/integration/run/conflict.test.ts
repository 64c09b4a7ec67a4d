import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, makeLab } from '../../helpers/lab.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';

leakCheck();

let lab: Lab;
let scratch: Scratch;
let running: Running | undefined;

beforeAll(async () => {
  lab = await makeLab();
  scratch = makeScratch();
  scratch.metactlConf(lab.metactlConf);
  const directory = scratch.appDirectory('shop', {});
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[daemon.main]\ncommand = /bin/sh -c "echo up; exec sleep 1000"\n`,
  );
});
afterEach(async () => {
  await running?.stop('SIGTERM');
});
afterAll(() => {
  scratch.remove();
  lab.close();
});

const inOther = (...words: string[]) =>
  spawnSync('ip', ['netns', 'exec', lab.otherNetns, ...words], { encoding: 'utf8' });

describe('another machine with an app’s address', () => {
  it('is named while the app runs', async () => {
    running = startMetactl(['run', 'shop'], { root: scratch.root });
    await running.waitFor(/up/);
    const address = (await runMetactl(['ip', 'shop'], { root: scratch.root })).stdout.trim();
    const hardware = inOther('cat', '/sys/class/net/eth0/address').stdout.trim();
    inOther('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    inOther('ip', 'neigh', 'flush', 'dev', 'eth0');
    // Asking for the host's address by ARP, the other machine gives the app's as its own.
    inOther('curl', '-s', '--interface', address, '--max-time', '2', `http://${lab.hostAddress}:9/`);
    await running.waitFor(/claims/);
    expect(running.output.stderr).toContain(
      `metactl: warning: ${hardware} on ${lab.uplink} claims ${address}, the address of shop: two machines can't have it\n`,
    );
    inOther('ip', 'addr', 'del', `${address}/24`, 'dev', 'eth0');
  });

  it('keeps it: a new lease takes the next one', async () => {
    const taken = lab.pool.replace(/\d+\/25$/, '130');
    inOther('ip', 'addr', 'add', `${taken}/24`, 'dev', 'eth0');
    scratch.node(
      'other',
      `[app]\ndirectory = ${scratch.root}/apps/shop\n[daemon.main]\ncommand = /bin/sh -c "echo up; exec sleep 1000"\n`,
    );
    running = startMetactl(['run', 'other'], { root: scratch.root });
    await running.waitFor(/up/);
    const address = (await runMetactl(['ip', 'other'], { root: scratch.root })).stdout.trim();
    expect(address).toBe(lab.pool.replace(/\d+\/25$/, '131'));
    scratch.node(
      'third',
      `[app]\ndirectory = ${scratch.root}/apps/shop\n[sandbox.net]\nip = ${taken}\n[daemon.main]\ncommand = /bin/true\n`,
    );
    const refused = await runMetactl(['run', 'third'], { root: scratch.root });
    expect(refused).toMatchObject({ status: 78 });
    expect(refused.stderr).toMatch(/answered an ARP probe/);
    inOther('ip', 'addr', 'del', `${taken}/24`, 'dev', 'eth0');
  });
});
