import { describe, expect, it } from 'vitest';
import { leakCheck } from '../../helpers/leak-check.ts';
import { type NotifyDaemons, notifyApp } from '../../helpers/notify-app.ts';
import { type Running, runMetactl } from '../../helpers/run-metactl.ts';
import type { Scratch } from '../../helpers/scratch.ts';
import { useScratch } from '../../helpers/use-scratch.ts';

leakCheck();

let scratch: Scratch;
const started = useScratch((made) => {
  scratch = made;
});

const shop = (daemons: NotifyDaemons) => notifyApp(scratch, daemons);

function start(): Running {
  return started(['run', 'shop']);
}

describe('run', () => {
  it('says when a daemon is ready, and starts then what depends on it', async () => {
    shop({
      db: ['print "db up" sleep 0.4 print "db ready" say READY=1 sleep 60', 'ready = notify'],
      web: ['print "web up" sleep 60', 'depends-on.db = ready'],
    });
    const one = start();
    await one.waitFor(/web up/);
    const { stdout, stderr } = await one.stop('SIGTERM');
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual(['db  | db up', 'db  | db ready', 'web | web up']);
    expect(stderr).toMatch(/^metactl: shop\/db: ready after 0\.\d s\n$/);
  });

  it('ends a daemon that is not ready in time, and starts it again', async () => {
    shop({ main: ['sleep 60', 'ready = tcp:8080\nready.timeout = 300ms\nrestart-sec = 10ms'] });
    const one = start();
    const late = 'metactl: shop/main: not ready within \\d+ms: port 8080: connection refused\n';
    await one.waitFor(new RegExp(`^(${late}[\\s\\S]*restarting in \\d+ ms\n){2}`));
  });

  it('ends with a failure, where it is not to be started again', async () => {
    shop({ main: ['sleep 60', 'ready = notify\nready.timeout = 200ms\nrestart = no'] });
    const { stderr, status } = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(stderr).toMatch(/^metactl: shop\/main: not ready within \d+ms\n/);
    expect(status).toBe(143);
  });

  it('restarts a daemon that hangs, by SIGABRT', async () => {
    shop({ main: ['print up sleep 60', 'watchdog-sec = 300ms\nrestart-sec = 10ms\nlimit-core = 0'] });
    const one = start();
    await one.waitFor(/up\n[\s\S]*up\n/);
    const { stderr } = await one.stop('SIGTERM');
    expect(stderr).toContain('metactl: shop/main: gave no sign of life within watchdog-sec\n');
    expect(stderr).toContain('metactl: shop/main died of SIGABRT');
  });

  it('restarts a daemon that is not well', async () => {
    const keys = 'health = tcp:8080\nhealth.interval = 100ms\nhealth.threshold = 2\nrestart-sec = 10ms';
    shop({ main: ['print up sleep 60', keys] });
    const one = start();
    await one.waitFor(/up\n[\s\S]*up\n/);
    const { stderr } = await one.stop('SIGTERM');
    expect(stderr).toContain('metactl: shop/main: not well 2 times in a row: port 8080: connection refused\n');
  });

  it('restarts a daemon that ends while it is asked, and is ready then', async () => {
    const second = `ready = exec:/bin/sh -c 'test -e "$STATE_DIRECTORY/up" || sleep 5'\nrestart-sec = 10ms\nrestart = always`;
    shop({ main: ['sleep 0.3 touch up exit 3', second] });
    const one = start();
    await one.waitFor(/ended with status 3[\s\S]*ready after/);
  });

  it.each(['stdout', 'file'])('finds the line of its output, where it goes to %s', async (to) => {
    shop({
      main: ['print one sleep 0.2 print "Started in 3 s" print two sleep 60', `ready = log:^Started\nlog.to = ${to}`],
    });
    const one = start();
    await one.waitFor(/two/);
    await one.waitFor(/ready after/);
    expect((await one.stop('SIGTERM')).stdout).toBe('one\nStarted in 3 s\ntwo\n');
  });

  it('refuses a bad pattern before anything is made', async () => {
    shop({ main: ['sleep 60', 'ready = log:(?!x)'] });
    const { stderr, status } = await runMetactl(['run', 'shop'], { root: scratch.root });
    expect(status).toBe(78);
    expect(stderr).toMatch(
      /shop\.conf:7: the pattern of `ready` is no regular expression: .*\n {2}step: read the configuration\n {2}hint: patterns have the syntax of RE2: no look-around, no back-references\n$/,
    );
  });

  it('leaves nothing of the socket when it is killed', async () => {
    shop({ main: ['say READY=1 sleep 60', 'ready = notify'] });
    const one = start();
    await one.waitFor(/ready after/);
    await one.stop('SIGKILL');
    const { stdout } = await runMetactl(['gc'], { root: scratch.root });
    expect(stdout).toContain('main.notify');
  });
});
