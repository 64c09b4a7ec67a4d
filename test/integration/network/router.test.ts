import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, startMetactl } from '../../helpers/run-metactl.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch.ts';
import { attempt } from './connect.ts';
import { output, outputIn } from './site.ts';

leakCheck();

/** A machine with an app, on a network with another server; and a container of another tool's on that machine. */
const MACHINE = 'mtest-rt';
const OTHER = 'mtest-rt-other';
const CONTAINER = 'mtest-rt-ctr';
const UNUSED = 9;

let scratch: Scratch;
let running: Running | undefined;

const remove = () => {
  for (const netns of [MACHINE, OTHER, CONTAINER]) spawnSync('ip', ['netns', 'delete', netns], { stdio: 'ignore' });
};

beforeEach(() => {
  remove();
  scratch = makeScratch();
  for (const netns of [MACHINE, OTHER, CONTAINER]) {
    output('ip', 'netns', 'add', netns);
    output('ip', '-n', netns, 'link', 'set', 'lo', 'up');
  }
  const ends = [
    ['eth0', OTHER, '198.18.79'],
    ['docker0', CONTAINER, '198.18.78'],
  ] as const;
  for (const [link, far, net] of ends) {
    output('ip', '-n', MACHINE, 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'up0', 'netns', far);
    output('ip', '-n', MACHINE, 'addr', 'add', `${net}.1/24`, 'dev', link);
    output('ip', '-n', far, 'addr', 'add', `${net}.2/24`, 'dev', 'up0');
    output('ip', '-n', MACHINE, 'link', 'set', link, 'up');
    output('ip', '-n', far, 'link', 'set', 'up0', 'up');
    output('ip', '-n', far, 'route', 'add', 'default', 'via', `${net}.1`);
  }
  output('ip', '-n', MACHINE, 'route', 'add', 'default', 'via', '198.18.79.2');
  forwarding('0');
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  scratch.remove();
  remove();
});

function forwarding(value: string): void {
  outputIn(MACHINE, 'sysctl', '-qw', `net.ipv4.ip_forward=${value}`);
}

/** Nobody listens on the port: a refusal tells that packets go both ways. */
const answers = async (from: string, address: string) => (await attempt(from, address, UNUSED)) === 'ECONNREFUSED';

async function startApp(): Promise<Running> {
  const directory = scratch.appDirectory('shop', { run: 'echo up; exec sleep 1000\n' });
  scratch.node(
    'shop',
    `[app]\ndirectory = ${directory}\n[sandbox.net]\nip = 198.18.79.130\n[daemon.main]\ncommand = /bin/bash ./run\n`,
  );
  scratch.metactlConf('[network]\npool = 198.18.79.128/25\n');
  running = startMetactl(['run', 'shop'], { root: scratch.root, via: ['nsenter', `--net=/run/netns/${MACHINE}`] });
  await running.waitFor(/up/);
  return running;
}

describe('forwarding that another tool switches on for the whole machine', () => {
  it('is left to it, also while an app runs, and the uplink leads to apps only once it is off again', async () => {
    const app = await startApp();
    // As long as the uplink forwards for metactl alone, from there to apps only.
    expect(await answers(OTHER, '198.18.78.2')).toBe(false);
    forwarding('1');
    await app.waitFor(/somebody has switched on forwarding for the whole machine: .* eth0 /);
    expect(await answers(OTHER, '198.18.78.2')).toBe(true);
    expect(await answers(CONTAINER, '198.18.79.2')).toBe(true);
    expect(await answers(OTHER, '198.18.79.130')).toBe(true);
    expect(app.output.stderr).not.toContain('put back');
    forwarding('0');
    await app.waitFor(/put back what somebody took .* the forwarding of eth0/);
    expect(await answers(OTHER, '198.18.78.2')).toBe(false);
    expect(await answers(OTHER, '198.18.79.130')).toBe(true);
    await app.stop();
    expect(outputIn(MACHINE, 'sysctl', '-n', 'net.ipv4.conf.eth0.forwarding').trim()).toBe('0');
  });

  it('and that is switched off after it was there first becomes metactl’s own', async () => {
    forwarding('1');
    const app = await startApp();
    expect(await answers(OTHER, '198.18.78.2')).toBe(true);
    forwarding('0');
    await app.waitFor(/put back what somebody took .* the forwarding of eth0/);
    expect(await answers(OTHER, '198.18.79.130')).toBe(true);
    expect(await answers(OTHER, '198.18.78.2')).toBe(false);
    await app.stop();
    expect(outputIn(MACHINE, 'sysctl', '-n', 'net.ipv4.conf.eth0.forwarding').trim()).toBe('0');
  });
});
