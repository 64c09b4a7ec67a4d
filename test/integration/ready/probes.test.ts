import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Scratch } from '../../helpers/scratch.ts';
import { openDescriptors, useWatchedDaemons } from '../../helpers/watched-daemon.ts';

let scratch: Scratch;
const { started, daemon } = useWatchedDaemons((made) => {
  scratch = made;
});

const ROUTED = '[sandbox.net]\nip = 198.51.100.7\n';

describe('ready', () => {
  it('by a port, in a network of its own', async () => {
    const one = await daemon('sleep 0.3 listen 8080 sleep 60', 'ready = tcp:8080');
    await one.first('ready');
    expect(one.reports).toEqual([{ type: 'ready' }]);
  });

  it('by a port of IPv6 alone', async () => {
    const one = await daemon('listen-on ::1 8080 sleep 60', 'ready = tcp:8080');
    await one.first('ready');
  });

  it('by a port at its own address, and not before', async () => {
    scratch.metactlConf('[network]\npool = 198.51.100.0/24\nuplink = eth0\n');
    const one = await daemon('sleep 0.3 listen-on 198.51.100.7 8080 sleep 60', 'ready = tcp:8080', ROUTED);
    await one.first('ready');
  });

  it('by a port of the host, without a sandbox', async () => {
    const one = await daemon(
      'listen 18080 sleep 60',
      'ready = tcp:18080',
      '[sandbox]\nenabled = no\nallow-root = yes\n',
    );
    await one.first('ready');
  });

  it('by nobody, and tells why', async () => {
    const one = await daemon('sleep 60', 'ready = tcp:8080\nready.timeout = 300ms');
    expect(await one.first('failed')).toMatchObject({
      reason: expect.stringMatching(/^not ready within \d{3}ms: port 8080: connection refused$/),
    });
  });

  it('by a web server, once it answers well', async () => {
    const file = join(scratch.root, 'var/lib/metactl/apps/shop/state/status');
    const one = await daemon(
      `write status 503 http 8082 ${file} sleep 60`,
      'ready = http:8082/health?a=b\nready.timeout = 5s',
    );
    await one.sandbox.started;
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(one.reports).toEqual([]);
    writeFileSync(file, '204');
    await one.first('ready');
  });

  it('by no web server, and tells what the answer was', async () => {
    const file = join(scratch.root, 'var/lib/metactl/apps/shop/state/status');
    const one = await daemon(
      `write status 500 http 8081 ${file} sleep 60`,
      'ready = http:8081/\nready.timeout = 500ms',
    );
    expect(await one.first('failed')).toMatchObject({
      reason: expect.stringContaining(': port 8081: the answer was 500'),
    });
  });

  it('by a command that runs inside, as the daemon', async () => {
    const keys = `ready = exec:/bin/sh -c 'test -e "$STATE_DIRECTORY/up" && test "$(id -u)" != 0 && test $$ -lt 1000'`;
    const one = await daemon('sleep 0.3 touch up sleep 60', keys);
    await one.first('ready');
  });

  it('by no command, and tells its last words', async () => {
    const keys = `ready = exec:/bin/sh -c 'printf "a\\\\n\\\\033[2Jnot yet\\\\n" >&2; exit 3'\nready.timeout = 500ms`;
    const one = await daemon('sleep 60', keys);
    expect(await one.first('failed')).toMatchObject({
      reason: expect.stringContaining(': ended with status 3: \\x1b[2Jnot yet'),
    });
  });

  it('by no command that leaves something running with its stderr', async () => {
    const keys = `ready = exec:/bin/sh -c 'sleep 5 & echo busy >&2; exit 3'\nready.timeout = 900ms`;
    const one = await daemon('sleep 60', keys);
    expect(await one.first('failed')).toMatchObject({
      reason: expect.stringContaining(': ended with status 3: busy'),
    });
  });

  it('by a line of its output', async () => {
    const one = await daemon(
      'print "Started nothing" sleep 0.2 error "Started in 3.1 s" print more sleep 60',
      'ready = log:^Started in [0-9.]+ s$',
    );
    await one.first('ready');
    await one.until(() => one.output() === 'Started nothing\nStarted in 3.1 s\nmore\n');
  });

  it('by a pattern that would keep Node busy for ever', async () => {
    const one = await daemon(`print ${'a'.repeat(5000)} print done! sleep 60`, 'ready = log:^(a+)+$|done!');
    const from = performance.now();
    await one.first('ready');
    expect(performance.now() - from).toBeLessThan(5000);
  });

  it('by no pattern at all', async () => {
    await expect(daemon('sleep 60', 'ready = log:a(?=b)')).rejects.toThrow(
      /shop\.conf:7: the pattern of `ready` is no regular expression: /,
    );
  });

  it('never, where the daemon ends while it is asked', async () => {
    const before = openDescriptors();
    const one = await daemon('sleep 0.3 exit 3', 'ready = exec:/bin/sleep 5\nready.timeout = 10s');
    expect((await one.sandbox.ended).code).toBe(3);
    await one.stop();
    expect(one.reports).toEqual([]);
    await one.handle.close();
    started.length = 0;
    expect(openDescriptors() - before).toBeLessThan(30);
  });
});

describe('ready by a newline to a descriptor', () => {
  it.each([3, 4, 9, 11, 12, 63, 500])('number %i', async (fd) => {
    const one = await daemon(`sleep 0.1 fd-list newline ${fd} sleep 60`, `ready = fd:${fd}`);
    await one.first('ready');
    // Nothing else of metactl's is there; 3 may be the list itself.
    expect(one.output()).toBe(`[0, 1, 2, ${fd}]\n`);
  });

  it('not where it is closed without one', async () => {
    const one = await daemon('close 3 sleep 60', 'ready = fd:3\nready.timeout = 300ms');
    expect(await one.first('failed')).toMatchObject({
      reason: expect.stringMatching(/^not ready within \d{3}ms: it closed the descriptor without a newline$/),
    });
  });

  it('also without a sandbox', async () => {
    const one = await daemon('newline 3 sleep 60', 'ready = fd:3', '[sandbox]\nenabled = no\nallow-root = yes\n');
    await one.first('ready');
  });

  it('and what fails before that is told as ever', async () => {
    const one = await daemon('sleep 60', 'ready = fd:3\nworking-directory = /usr/bin');
    await one.sandbox.started;
    const missing = { ...one.prepared.plans[0]!, process: { ...one.prepared.plans[0]!.process, argv: ['/no/such'] } };
    await one.stop();
    const sandbox = await one.handle.start(missing, { stdin: 'null', stdout: 'pipe', stderr: 'pipe' });
    await expect(sandbox.started).rejects.toMatchObject({ code: 'ENOENT', path: '/no/such', exitStatus: 127 });
    sandbox.ready?.destroy();
    await sandbox.ended;
    const few = { ...one.prepared.plans[0]!, readyDescriptor: 500 };
    const limits = { ...few.process.rlimits, nofile: [64, 64] as const };
    const tight = await one.handle.start(
      { ...few, process: { ...few.process, rlimits: limits } },
      { stdin: 'null', stdout: 'pipe', stderr: 'pipe' },
    );
    await expect(tight.started).rejects.toMatchObject({ code: 'EBADF', step: 'hand over descriptor' });
    tight.ready?.destroy();
    await tight.ended;
  });
});

describe('health', () => {
  const keys = (action: string, more = '') =>
    `health = tcp:8080\nhealth.interval = 100ms\nhealth.threshold = 2\nhealth.action = ${action}\n${more}`;

  it('fails after so many failures in a row', async () => {
    const one = await daemon('sleep 60', keys('restart'));
    expect(await one.first('failed')).toEqual({
      type: 'failed',
      reason: 'not well 2 times in a row: port 8080: connection refused',
    });
  });

  it('does not count failures in the time of grace', async () => {
    const one = await daemon('sleep 0.6 listen 8080 sleep 60', keys('restart', 'health.grace = 5s'));
    await one.sandbox.started;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(one.reports).toEqual([]);
  });

  it('is told, and told again when it is well', async () => {
    const one = await daemon('sleep 1 listen 8080 sleep 60', keys('alert'));
    await one.first('well');
    expect(one.reports.map(({ type }) => type)).toEqual(['unwell', 'well']);
  });

  it('is only shown', async () => {
    const one = await daemon('sleep 60', keys('none'));
    expect(await one.first('status-text')).toEqual({
      type: 'status-text',
      text: 'not well 2 times in a row: port 8080: connection refused',
    });
  });

  it('begins when it is ready', async () => {
    const one = await daemon(
      'sleep 0.6 touch up sleep 60',
      `ready = exec:/bin/sh -c 'test -e "$STATE_DIRECTORY/up"'\n${keys('alert')}`,
    );
    await one.first('unwell');
    expect(one.reports.map(({ type }) => type)).toEqual(['ready', 'unwell']);
  });
});

describe('watchdog-sec', () => {
  it('is content with signs of life, and not without', async () => {
    const one = await daemon(
      'say WATCHDOG=1 sleep 0.3 say WATCHDOG=1 sleep 0.3 say WATCHDOG=1 say STATUS=last sleep 60',
      'watchdog-sec = 500ms',
    );
    await one.first('watchdog');
    expect(one.reports).toEqual([{ type: 'status-text', text: 'last' }, { type: 'watchdog' }]);
  });

  it('hears what came while the supervisor was busy', async () => {
    const one = await daemon('say STATUS=a sleep 0.2 say WATCHDOG=1 sleep 60', 'watchdog-sec = 800ms');
    await one.first('status-text');
    // Longer than the watchdog's time after its start, but not after the sign of life.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 850);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(one.reports).toEqual([{ type: 'status-text', text: 'a' }]);
    await one.first('watchdog');
  });

  it('is told to the daemon, which may change it or pull it', async () => {
    const one = await daemon(
      'say WATCHDOG_USEC=60000000 sleep 1 say WATCHDOG=trigger sleep 60',
      'watchdog-sec = 400ms',
    );
    expect(one.prepared.plans[0]!.process.env).toMatchObject({ NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '400000' });
    await one.first('watchdog');
    expect(one.reports).toEqual([{ type: 'watchdog' }]);
  });
});
