import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixtures } from '../../helpers/fixtures.ts';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type Running, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

/** Stops that leave nothing, order, and giving up, with real processes. */

leakCheck();

let scratch: Scratch;
const started = useScratch((made) => {
  scratch = made;
});

type Kind = 'sandboxed' | 'not sandboxed';
const KINDS: readonly Kind[] = ['sandboxed', 'not sandboxed'];

/** An app of daemons written in shell; the lines of each one's section may follow its script. */
function app(kind: Kind, daemons: Readonly<Record<string, readonly [script: string, more?: string]>>): string {
  const scripts = Object.entries(daemons).map(([name, [script]]) => [`${name}.sh`, `#!/bin/sh\n${script}\n`]);
  const directory = scratch.appDirectory('shop', Object.fromEntries(scripts));
  copyFileSync(fixtures().probe, join(directory, 'probe'));
  const sections = Object.entries(daemons).map(
    ([name, [, more = '']]) => `[daemon.${name}]\ncommand = ./${name}.sh\n${more}\n`,
  );
  const sandbox = kind === 'sandboxed' ? '[sandbox.net]\nmode = none\n' : '[sandbox]\nenabled = no\n';
  scratch.node('shop', `[app]\ndirectory = ${directory}\n${sandbox}${sections.join('')}`);
  return directory;
}

const start = (...args: string[]): Running => started(['run', ...args]);

/** Pids of processes whose command line has this word. */
function pidsWith(word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(word);
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe.each(KINDS)('a stop, %s', (kind) => {
  it('takes along what forked twice, and what began a session of its own', async () => {
    const mark = `3${process.pid}`;
    app(kind, {
      main: [
        `(setsid sleep ${mark} &) \nsetsid sh -c 'trap "" TERM HUP; (sleep ${mark} & ) ; while :; do sleep ${mark}; done' &\nsleep 0.2\necho up\nwhile :; do sleep 0.05; done`,
      ],
    });
    const one = start('shop');
    await one.waitFor(/up/);
    expect(pidsWith(mark).length).toBeGreaterThanOrEqual(3);
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 143 });
    expect(pidsWith(mark)).toEqual([]);
  });

  it('works at once on one that stopped itself, and on one that ignores SIGTERM with all its children', async () => {
    app(kind, { main: ['echo up\nkill -STOP $$\nwhile :; do sleep 0.05; done', 'timeout-stop-sec = 20s'] });
    const stopped = start('shop');
    await stopped.waitFor(/up/);
    const asked = performance.now();
    expect(await stopped.stop('SIGTERM')).toMatchObject({ status: 143 });
    expect(performance.now() - asked).toBeLessThan(10_000);

    const mark = `4${process.pid}`;
    app(kind, {
      main: [`trap "" TERM\nsleep ${mark} &\necho up\nwhile :; do sleep ${mark}; done`, 'timeout-stop-sec = 200ms'],
    });
    const stubborn = start('shop');
    await stubborn.waitFor(/up/);
    const { status, stderr } = await stubborn.stop('SIGTERM');
    expect(status).toBe(137);
    expect(stderr).toBe('metactl: shop/main did not end within timeout-stop-sec: killed\n');
    expect(pidsWith(mark)).toEqual([]);
  });

  it('during a pause before a restart ends at once', async () => {
    app(kind, { main: ['exit 3', 'restart-sec = 1h\nrestart-max-delay-sec = 1h'] });
    const one = start('shop');
    await one.waitFor(/restarting in/);
    const asked = performance.now();
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 3 });
    expect(performance.now() - asked).toBeLessThan(5000);
  });

  it('that is asked for twice kills', async () => {
    app(kind, { main: ['trap "" TERM\necho up\nwhile :; do sleep 0.05; done', 'timeout-stop-sec = 1h'] });
    const one = start('shop');
    await one.waitFor(/up/);
    one.child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await one.stop('SIGTERM')).toMatchObject({ status: 137, stderr: '' });
  });
});

describe('the order of depends-on', () => {
  it('is kept at the start, and turned round at the stop', async () => {
    const say = (name: string) =>
      `trap 'sleep 0.2; echo ${name} ends; exit 0' TERM\necho ${name} up\nwhile :; do sleep 0.02; done`;
    app('sandboxed', {
      web: [say('web'), 'depends-on.app = ready'],
      app: [say('app'), 'depends-on.db = started'],
      db: [say('db')],
    });
    const one = start('shop');
    await one.waitFor(/web up/);
    const { stdout, status } = await one.stop('SIGTERM');
    expect(status).toBe(0);
    expect(stdout.match(/\w+ ends/g)).toEqual(['web ends', 'app ends', 'db ends']);
  });

  it('warns of what another supervisor has to start', async () => {
    app('sandboxed', { web: ['exit 0', 'depends-on.db = started'], db: ['exit 0'] });
    expect(await runMetactl(['run', 'shop', 'web'], { root: scratch.root })).toMatchObject({
      status: 0,
      stderr: 'metactl: warning: shop/web depends on shop/db, which this does not run\n',
    });
  });
});

describe('giving up', () => {
  it('comes after start-limit-burst restarts, or at once after an exit status that is for good', async () => {
    app('sandboxed', { main: ['exit 3', 'restart-sec = 10ms\nstart-limit-burst = 3'] });
    const { status, stderr } = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(status).toBe(3);
    expect(stderr.match(/ended with status 3/g)).toHaveLength(4);
    expect(stderr).toMatch(
      /\nmetactl: shop\/main: gave up: started again 3 times within 10min, and ended each time\n$/,
    );

    app('sandboxed', { main: ['exit 78', 'restart-prevent-exit-status = 78'] });
    expect(await runMetactl(['run', 'shop'], { root: scratch.root })).toMatchObject({
      status: 78,
      stderr:
        'metactl: shop/main ended with status 78\nmetactl: shop/main: gave up: ended with status 78, which is in restart-prevent-exit-status\n',
    });
  });
});
