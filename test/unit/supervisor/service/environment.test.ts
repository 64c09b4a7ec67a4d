import { describe, expect, it } from 'vitest';
import { takeServiceEnvironment } from '../../../../src/supervisor/service/environment.ts';

const journal = { dev: 8n, ino: 26_000n };
const take = (env: Record<string, string>, outputs = [journal, journal]) => takeServiceEnvironment(env, 7, outputs);

describe('what a service manager says', () => {
  it('is taken, and nobody else finds it', () => {
    const env = {
      PATH: '/bin',
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '3000000',
      WATCHDOG_PID: '7',
      JOURNAL_STREAM: '8:26000',
      LISTEN_FDS: '1',
      LISTEN_PID: '7',
    };
    expect(take(env)).toEqual({ notifySocket: '/run/systemd/notify', watchdog: 3000, journal: true });
    expect(env).toEqual({ PATH: '/bin' });
  });

  it('may be nothing', () => {
    expect(take({})).toEqual({ notifySocket: undefined, watchdog: undefined, journal: false });
  });

  it('counts only where it is for us', () => {
    expect(take({ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '8' }).watchdog).toBeUndefined();
    expect(take({ WATCHDOG_USEC: '3000000' }).watchdog).toBe(3000);
    for (const wrong of ['0', '', 'x', '-1', '1e9']) expect(take({ WATCHDOG_USEC: wrong }).watchdog).toBeUndefined();
    expect(take({ NOTIFY_SOCKET: '@/org/name' }).notifySocket).toBe('@/org/name');
    for (const wrong of ['', '@', '/', 'run/notify', 'vsock:2:1234']) {
      expect(take({ NOTIFY_SOCKET: wrong }).notifySocket).toBeUndefined();
    }
  });

  it('of the journal only where both outputs go there', () => {
    const file = { dev: 8n, ino: 5n };
    expect(take({ JOURNAL_STREAM: '8:26000' }, [file, journal]).journal).toBe(false);
    expect(take({ JOURNAL_STREAM: '8:26000' }, [file, file]).journal).toBe(false);
  });
});
